//! A module at work: its memory, and calls within the limits.

use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow_schema::DataType;
use wasmtime::{Func, Instance, Memory, Store, TypedFunc};

use super::{
    columns::{self, Column},
    function::Limits,
    memory::{CALL_FUEL, Error, Guard, Layout, Space, int, reason, slice, word},
    module::{Export, Module},
};

const PAGE_BYTES: usize = 65_536;
/// Bytes of a column's description: addresses of validity, values and offsets, and the number of bytes of the values.
const DESCRIPTOR_BYTES: usize = 16;

/// One instance of a module and how to call one of its functions. After an error it is of no more use.
pub(super) struct Runner {
    store: Store<Guard>,
    limits: Limits,
    arguments: Vec<DataType>,
    result: DataType,
    call: Call,
}

enum Call {
    Row {
        memory: Memory,
        run: Func,
    },
    Batch {
        space: Space,
        call: TypedFunc<(i32, i32), ()>,
    },
}

impl Runner {
    /// An instance of its own.
    ///
    /// # Errors
    /// Why the module cannot start, as a sentence without its subject.
    pub(super) fn new(module: &Module, export: &Export, limits: Limits) -> Result<Self, String> {
        let mut store = Guard::store(limits)?;
        let call = Call::new(&mut store, module, export).map_err(|e| reason(&e, store.data(), limits))?;
        Ok(Self {
            store,
            limits,
            arguments: export.signature.arguments.clone(),
            result: export.signature.result.clone(),
            call,
        })
    }

    /// The function of these columns of so many rows.
    ///
    /// # Errors
    /// What the function did, as a sentence without its subject.
    pub(super) fn run(&mut self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef, String> {
        let types = arguments.iter().map(Array::data_type);
        if !types.eq(&self.arguments) || arguments.iter().any(|a| a.len() != rows) {
            return Err("is called with columns of other types".into());
        }
        let fuel = (rows as u64).saturating_mul(self.limits.fuel_per_row);
        let fuel = self.store.set_fuel(fuel.saturating_add(CALL_FUEL));
        let result = fuel.map_err(Error::Wasm).and_then(|()| match &self.call {
            Call::Row { .. } => self.rows(arguments, rows),
            Call::Batch { .. } => self.batch(arguments, rows),
        });
        result.map_err(|e| match e {
            Error::Wasm(e) => reason(&e, self.store.data(), self.limits),
            Error::Contract(text) => text,
        })
    }

    fn rows(&mut self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef, Error> {
        let Call::Row { memory, run } = &self.call else {
            return Err(Error::Contract("is no function of rows".into()));
        };
        let nulls = arguments.iter().fold(None, |all, argument| {
            NullBuffer::union(all.as_ref(), argument.nulls())
        });
        let nulls = nulls.filter(|n| n.null_count() > 0);
        let width = columns::width(&self.result).unwrap_or(8);
        let mut layout = Layout::default();
        // Address 0 stands for no bitmap.
        layout.place(1);
        let validity = nulls.as_ref().map(|n| layout.buffer(columns::bitmap(n)));
        let mut parameters = vec![int(rows), int(validity.unwrap_or(0))];
        for argument in arguments {
            parameters.push(int(layout.buffer(columns::column(argument).values)));
        }
        let result = layout.place(rows * width);
        parameters.push(int(result));
        let missing = layout.bytes.saturating_sub(memory.data_size(&self.store));
        if missing > 0 {
            memory.grow(&mut self.store, missing.div_ceil(PAGE_BYTES) as u64)?;
        }
        layout.write(memory.data_mut(&mut self.store), 0)?;
        run.call(&mut self.store, &parameters, &mut [])?;
        let values = slice(memory.data(&self.store), result, rows * width)?;
        columns::array(&self.result, rows, values, None, nulls).map_err(Error::Contract)
    }

    fn batch(&mut self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef, Error> {
        let mut layout = Layout::default();
        let table = layout.place(DESCRIPTOR_BYTES * (arguments.len() + 1));
        let mut descriptors: Vec<[Option<usize>; 3]> = Vec::with_capacity(arguments.len() + 1);
        let mut lengths = Vec::with_capacity(arguments.len() + 1);
        for argument in arguments {
            let Column {
                validity,
                values,
                offsets,
            } = columns::column(argument);
            lengths.push(values.len());
            let validity = validity.map(|v| layout.buffer(v));
            let values = Some(layout.buffer(values));
            descriptors.push([validity, values, offsets.map(|o| layout.buffer(o))]);
        }
        let all_set = Buffer::from_vec(vec![0xff_u8; rows.div_ceil(8)]);
        let validity = Some(layout.buffer(all_set));
        let (values, offsets) = match columns::width(&self.result) {
            Some(width) => (Some(layout.place(rows * width)), None),
            None => (None, Some(layout.place((rows + 1) * 4))),
        };
        descriptors.push([validity, values, offsets]);
        lengths.push(columns::width(&self.result).map_or(0, |width| width * rows));
        let Call::Batch { space, call } = &mut self.call else {
            return Err(Error::Contract("is no function of batches".into()));
        };
        let base = space.reserve(&mut self.store, layout.bytes)?;
        let memory = space.memory;
        let written = descriptors.iter().zip(&lengths).flat_map(|(addresses, bytes)| {
            let addresses = addresses.map(|a| a.map_or(0, |a| a + base));
            addresses.into_iter().chain([*bytes])
        });
        let words: Vec<u32> = written.map(|word| word as u32).collect();
        layout.buffers.push((table, Buffer::from_vec(words)));
        layout.write(memory.data_mut(&mut self.store), base)?;
        call.call(&mut self.store, (rows as i32, (base + table) as i32))?;
        let descriptor = base + table + DESCRIPTOR_BYTES * arguments.len();
        read_result(memory.data(&self.store), descriptor, &self.result, rows)
    }
}

impl Call {
    fn new(store: &mut Store<Guard>, module: &Module, export: &Export) -> wasmtime::Result<Self> {
        let instance = Instance::new(&mut *store, &module.compiled, &[])?;
        let missing = || wasmtime::format_err!("an export is missing");
        if let Some(driver) = &export.driver {
            let function = instance.get_func(&mut *store, &export.name).ok_or_else(missing)?;
            let driver = Instance::new(&mut *store, driver, &[function.into()])?;
            return Ok(Self::Row {
                memory: driver.get_memory(&mut *store, "memory").ok_or_else(missing)?,
                run: driver.get_func(&mut *store, "run").ok_or_else(missing)?,
            });
        }
        Ok(Self::Batch {
            space: Space::new(&mut *store, &instance)?,
            call: instance.get_typed_func(&mut *store, &export.name)?,
        })
    }
}

/// The column that a descriptor describes.
fn read_result(
    memory: &[u8],
    descriptor: usize,
    data_type: &DataType,
    rows: usize,
) -> Result<ArrayRef, Error> {
    let [validity, values, offsets, _] = [0, 4, 8, 12].map(|at| word(memory, descriptor + at));
    let (validity, values) = (validity?, values?);
    let nulls = match validity {
        0 => None,
        at => {
            let bits = Buffer::from(slice(memory, at, rows.div_ceil(8))?);
            Some(NullBuffer::new(BooleanBuffer::new(bits, 0, rows))).filter(|n| n.null_count() > 0)
        }
    };
    let (values, offsets) = if let Some(width) = columns::width(data_type) {
        (slice(memory, values, rows * width)?, None)
    } else {
        let offsets = offsets?;
        let bytes = word(memory, offsets.saturating_add(rows * 4))?;
        (
            slice(memory, values, bytes)?,
            Some(slice(memory, offsets, (rows + 1) * 4)?),
        )
    };
    columns::array(data_type, rows, values, offsets, nulls).map_err(Error::Contract)
}
