//! A module at work: its memory, and calls within the limits.

use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow_schema::DataType;
use wasmtime::{Func, Instance, Memory, ResourceLimiter, Store, Trap, TypedFunc, Val};

use super::{
    columns::{self, Column},
    function::Limits,
    module::{Export, Module, engine},
};

/// Fuel of a call beside that of its rows.
const CALL_FUEL: u64 = 1_000_000;
/// Elements of a module's tables, all together.
const TABLE_ELEMENTS: usize = 100_000;
const PAGE_BYTES: usize = 65_536;
/// Bytes of a column's description: addresses of validity, values and offsets, and the number of bytes of the values.
const DESCRIPTOR_BYTES: usize = 16;

/// Holds memory to its limit, summed over what a module and its driver have.
struct Guard {
    left: usize,
    limit: usize,
    tables_left: usize,
    refused: bool,
}

impl ResourceLimiter for Guard {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        if more > self.left {
            self.refused = true;
            // An error ends the call; a module that is told no goes on in ways that hide the reason.
            return Err(wasmtime::format_err!("more than {} bytes of memory", self.limit));
        }
        self.left -= more;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let fits = more <= self.tables_left;
        self.tables_left -= if fits { more } else { 0 };
        Ok(fits)
    }
}

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
        memory: Memory,
        alloc: TypedFunc<i32, i32>,
        free: Option<TypedFunc<(i32, i32), ()>>,
        call: TypedFunc<(i32, i32), ()>,
        /// What `alloc` gave last: address and bytes.
        block: (usize, usize),
    },
}

impl Runner {
    /// An instance of its own.
    ///
    /// # Errors
    /// Why the module cannot start, as a sentence without its subject.
    pub(super) fn new(module: &Module, export: &Export, limits: Limits) -> Result<Self, String> {
        let guard = Guard {
            left: limits.memory_bytes,
            limit: limits.memory_bytes,
            tables_left: TABLE_ELEMENTS,
            refused: false,
        };
        let mut store = Store::new(engine().map_err(|e| e.to_string())?, guard);
        store.limiter(|guard| guard);
        let fuel = store.set_fuel(CALL_FUEL);
        let call = fuel
            .and_then(|()| Call::new(&mut store, module, export))
            .map_err(|e| reason(&e, store.data(), limits))?;
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
        let base = self.block(layout.bytes)?;
        let Call::Batch { memory, call, .. } = &self.call else {
            return Err(Error::Contract("is no function of batches".into()));
        };
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

    /// The address of a block of at least so many bytes in the module's memory: the last one if it is large enough.
    fn block(&mut self, bytes: usize) -> Result<usize, Error> {
        let Call::Batch {
            memory,
            alloc,
            free,
            block,
            ..
        } = &mut self.call
        else {
            return Err(Error::Contract("is no function of batches".into()));
        };
        if block.1 < bytes {
            if let Some(free) = free.as_ref().filter(|_| block.1 > 0) {
                free.call(&mut self.store, (block.0 as i32, block.1 as i32))?;
            }
            let wanted = bytes.next_power_of_two();
            let address = alloc.call(&mut self.store, wanted as i32)? as u32 as usize;
            let end = address.saturating_add(wanted);
            if address == 0 || !address.is_multiple_of(8) || end > memory.data_size(&self.store) {
                return Err(Error::Contract(format!(
                    "has an 'alloc' that gives address {address} for {wanted} bytes: it must be a multiple of 8, not 0, and lie in \
                     memory with all its bytes"
                )));
            }
            *block = (address, wanted);
        }
        Ok(block.0)
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
        let has_free = instance.get_func(&mut *store, "free").is_some();
        Ok(Self::Batch {
            memory: instance.get_memory(&mut *store, "memory").ok_or_else(missing)?,
            alloc: instance.get_typed_func(&mut *store, "alloc")?,
            free: has_free
                .then(|| instance.get_typed_func(&mut *store, "free"))
                .transpose()?,
            call: instance.get_typed_func(&mut *store, &export.name)?,
            block: (0, 0),
        })
    }
}

enum Error {
    Wasm(wasmtime::Error),
    /// The module does not keep to its part.
    Contract(String),
}

impl From<wasmtime::Error> for Error {
    fn from(error: wasmtime::Error) -> Self {
        Self::Wasm(error)
    }
}

/// Where buffers go in a block of memory, each at a multiple of 16 bytes from its begin.
#[derive(Default)]
struct Layout {
    bytes: usize,
    buffers: Vec<(usize, Buffer)>,
}

impl Layout {
    fn place(&mut self, bytes: usize) -> usize {
        let at = self.bytes.next_multiple_of(16);
        self.bytes = at + bytes;
        at
    }

    fn buffer(&mut self, buffer: Buffer) -> usize {
        let at = self.place(buffer.len());
        self.buffers.push((at, buffer));
        at
    }

    fn write(&self, memory: &mut [u8], base: usize) -> Result<(), Error> {
        for (at, buffer) in &self.buffers {
            memory
                .get_mut(base + at..base + at + buffer.len())
                .ok_or_else(outside)?
                .copy_from_slice(buffer);
        }
        Ok(())
    }
}

fn int(number: usize) -> Val {
    Val::I32(number as i32)
}

fn outside() -> Error {
    Error::Contract("gives an address outside of its memory".into())
}

fn slice(memory: &[u8], at: usize, bytes: usize) -> Result<&[u8], Error> {
    at.checked_add(bytes)
        .and_then(|end| memory.get(at..end))
        .ok_or_else(outside)
}

fn word(memory: &[u8], at: usize) -> Result<usize, Error> {
    let bytes = slice(memory, at, 4)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
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

/// Why a call ended, as a sentence without its subject.
fn reason(error: &wasmtime::Error, guard: &Guard, limits: Limits) -> String {
    if guard.refused {
        return format!(
            "wants more than {} bytes of memory: SET 'table.exec.wasm.memory' to more, or keep less in it",
            guard.limit
        );
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => format!(
            "takes more than {} units of fuel per row: SET 'table.exec.wasm.fuel-per-row' to more if it ends at all",
            limits.fuel_per_row
        ),
        Some(trap) => {
            let text = trap.to_string();
            format!("traps: {}", text.strip_prefix("wasm trap: ").unwrap_or(&text))
        }
        None => format!("cannot run: {error:#}"),
    }
}
