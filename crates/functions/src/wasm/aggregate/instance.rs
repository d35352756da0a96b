//! An aggregate at work: states are written into the module's memory, changed there, and read back.

use arrow_array::ArrayRef;
use arrow_buffer::Buffer;
use wasmtime::{Func, Instance, Store, TypedFunc};

use super::{
    super::{
        columns,
        function::Limits,
        memory::{CALL_FUEL, Error, Guard, Layout, Space, int, reason, slice},
        module::Module,
    },
    export::Export,
    signature::AggregateSignature,
};

/// One instance of a module and how to call one of its aggregates. After an error it is of no more use.
pub(super) struct Runner {
    store: Store<Guard>,
    limits: Limits,
    signature: AggregateSignature,
    functions: Functions,
}

struct Functions {
    space: Space,
    init: Option<TypedFunc<i32, ()>>,
    accumulate: Func,
    retract: Option<Func>,
    merge: Option<Func>,
    finish: Func,
}

/// What a call does with states.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Accumulate,
    Retract,
}

impl Runner {
    /// An instance of its own.
    ///
    /// # Errors
    /// Why the module cannot start, as a sentence without its subject.
    pub(super) fn new(module: &Module, export: &Export, limits: Limits) -> Result<Self, String> {
        let mut store = Guard::store(limits)?;
        let functions =
            Functions::new(&mut store, module, export).map_err(|e| reason(&e, store.data(), limits))?;
        Ok(Self {
            store,
            limits,
            signature: export.signature.clone(),
            functions,
        })
    }

    /// The state of a group without rows.
    pub(super) fn initial(&mut self) -> Result<Vec<u8>, String> {
        let bytes = self.signature.state_bytes;
        self.call(1, |this| {
            let mut layout = Layout::default();
            let state = layout.buffer(Buffer::from_vec(vec![0_u8; bytes]));
            let base = this.write(&layout)?;
            if let Some(init) = &this.functions.init {
                init.call(&mut this.store, (base + state) as i32)?;
            }
            this.read(base + state, bytes)
        })
    }

    /// Takes values of rows, none of them null, into the states of their groups, or out of them.
    pub(super) fn rows(
        &mut self,
        step: Step,
        states: &[u8],
        groups: &[u32],
        columns: &[ArrayRef],
    ) -> Result<Vec<u8>, String> {
        self.call(groups.len(), |this| {
            let function = match step {
                Step::Accumulate => this.functions.accumulate,
                Step::Retract => this.functions.retract.ok_or_else(|| not_exported("retract"))?,
            };
            let mut layout = Layout::default();
            let state = layout.buffer(Buffer::from_slice_ref(states));
            let mut at = vec![layout.buffer(Buffer::from_slice_ref(groups)), state];
            for column in columns {
                let buffers = columns::column(column);
                at.extend(buffers.offsets.map(|offsets| layout.buffer(offsets)));
                at.push(layout.buffer(buffers.values));
            }
            let base = this.write(&layout)?;
            let addresses = at.iter().map(|at| int(base + at));
            let parameters: Vec<_> = std::iter::once(int(groups.len())).chain(addresses).collect();
            function.call(&mut this.store, &parameters, &mut [])?;
            this.read(base + state, states.len())
        })
    }

    /// Puts other states into those of their groups.
    pub(super) fn merge(&mut self, states: &[u8], groups: &[u32], others: &[u8]) -> Result<Vec<u8>, String> {
        self.call(groups.len(), |this| {
            let function = this.functions.merge.ok_or_else(|| not_exported("merge"))?;
            let mut layout = Layout::default();
            let state = layout.buffer(Buffer::from_slice_ref(states));
            let groups_at = layout.buffer(Buffer::from_slice_ref(groups));
            let others = layout.buffer(Buffer::from_slice_ref(others));
            let base = this.write(&layout)?;
            let addresses = [groups_at, state, others].map(|at| int(base + at));
            let parameters: Vec<_> = std::iter::once(int(groups.len())).chain(addresses).collect();
            function.call(&mut this.store, &parameters, &mut [])?;
            this.read(base + state, states.len())
        })
    }

    /// The results of states.
    pub(super) fn finish(&mut self, states: &[u8]) -> Result<ArrayRef, String> {
        let count = states.len() / self.signature.state_bytes;
        let result = self.signature.result.clone();
        self.call(count, |this| {
            let width = columns::width(&result).unwrap_or(8);
            let mut layout = Layout::default();
            let state = layout.buffer(Buffer::from_slice_ref(states));
            let results = layout.place(count * width);
            let base = this.write(&layout)?;
            let parameters = [int(count), int(base + state), int(base + results)];
            this.functions
                .finish
                .call(&mut this.store, &parameters, &mut [])?;
            let values = slice(
                this.functions.space.memory.data(&this.store),
                base + results,
                count * width,
            )?;
            columns::array(&result, count, values, None, None).map_err(Error::Contract)
        })
    }

    fn call<T>(&mut self, rows: usize, run: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, String> {
        let fuel = (rows as u64).saturating_mul(self.limits.fuel_per_row);
        let fuel = self.store.set_fuel(fuel.saturating_add(CALL_FUEL));
        let result = fuel.map_err(Error::Wasm).and_then(|()| run(self));
        result.map_err(|e| match e {
            Error::Wasm(e) => reason(&e, self.store.data(), self.limits),
            Error::Contract(text) => text,
        })
    }

    /// The address of what was written.
    fn write(&mut self, layout: &Layout) -> Result<usize, Error> {
        let base = self
            .functions
            .space
            .reserve(&mut self.store, layout.bytes.max(1))?;
        layout.write(self.functions.space.memory.data_mut(&mut self.store), base)?;
        Ok(base)
    }

    fn read(&self, at: usize, bytes: usize) -> Result<Vec<u8>, Error> {
        slice(self.functions.space.memory.data(&self.store), at, bytes).map(<[u8]>::to_vec)
    }
}

impl Functions {
    fn new(store: &mut Store<Guard>, module: &Module, export: &Export) -> wasmtime::Result<Self> {
        let instance = Instance::new(&mut *store, &module.compiled, &[])?;
        let space = Space::new(&mut *store, &instance)?;
        let missing = || wasmtime::format_err!("an export is missing");
        let memory = space.memory;
        let mut drive = |driver: &wasmtime::Module, name: &str| {
            let function = instance.get_func(&mut *store, name).ok_or_else(missing)?;
            let driver = Instance::new(&mut *store, driver, &[memory.into(), function.into()])?;
            driver.get_func(&mut *store, "run").ok_or_else(missing)
        };
        let accumulate = drive(&export.rows, &export.accumulate)?;
        let retract = export
            .retracts
            .then(|| drive(&export.rows, &export.step("retract")))
            .transpose()?;
        let merge = export.merge.as_ref();
        let merge = merge
            .map(|driver| drive(driver, &export.step("merge")))
            .transpose()?;
        let finish = drive(&export.finish, &export.step("finish"))?;
        let init = export
            .has_init
            .then(|| instance.get_typed_func(&mut *store, &export.step("init")))
            .transpose()?;
        Ok(Self {
            space,
            init,
            accumulate,
            retract,
            merge,
            finish,
        })
    }
}

fn not_exported(step: &str) -> Error {
    Error::Contract(format!("does not export its step '{step}'"))
}
