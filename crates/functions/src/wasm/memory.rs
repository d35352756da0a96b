//! A module's memory: its limit, blocks of it, and what is written and read there.

use arrow_buffer::Buffer;
use wasmtime::{Instance, Memory, ResourceLimiter, Store, Trap, TypedFunc, Val};

use super::{function::Limits, module::engine};

/// Fuel of a call beside that of its rows.
pub(super) const CALL_FUEL: u64 = 1_000_000;
/// Elements of a module's tables, all together.
const TABLE_ELEMENTS: usize = 100_000;

/// Holds memory to its limit, summed over what a module and its driver have.
pub(super) struct Guard {
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

impl Guard {
    /// A store within the limits, with the fuel of one call.
    pub(super) fn store(limits: Limits) -> Result<Store<Self>, String> {
        let guard = Self {
            left: limits.memory_bytes,
            limit: limits.memory_bytes,
            tables_left: TABLE_ELEMENTS,
            refused: false,
        };
        let mut store = Store::new(engine().map_err(|e| e.to_string())?, guard);
        store.limiter(|guard| guard);
        match store.set_fuel(CALL_FUEL) {
            Ok(()) => Ok(store),
            Err(e) => Err(reason(&e, store.data(), limits)),
        }
    }
}

/// A block in the memory of a module that allocates: one for all calls, larger when need be.
pub(super) struct Space {
    pub(super) memory: Memory,
    alloc: TypedFunc<i32, i32>,
    free: Option<TypedFunc<(i32, i32), ()>>,
    /// What `alloc` gave last: address and bytes.
    block: (usize, usize),
}

impl Space {
    /// No block yet.
    pub(super) fn new(store: &mut Store<Guard>, instance: &Instance) -> wasmtime::Result<Self> {
        let missing = || wasmtime::format_err!("an export is missing");
        let has_free = instance.get_func(&mut *store, "free").is_some();
        Ok(Self {
            memory: instance.get_memory(&mut *store, "memory").ok_or_else(missing)?,
            alloc: instance.get_typed_func(&mut *store, "alloc")?,
            free: has_free
                .then(|| instance.get_typed_func(&mut *store, "free"))
                .transpose()?,
            block: (0, 0),
        })
    }

    /// The address of a block of at least so many bytes: the last one if it is large enough.
    pub(super) fn reserve(&mut self, store: &mut Store<Guard>, bytes: usize) -> Result<usize, Error> {
        if self.block.1 < bytes {
            if let Some(free) = self.free.as_ref().filter(|_| self.block.1 > 0) {
                free.call(&mut *store, (self.block.0 as i32, self.block.1 as i32))?;
            }
            let wanted = bytes.next_power_of_two();
            let address = self.alloc.call(&mut *store, wanted as i32)? as u32 as usize;
            let end = address.saturating_add(wanted);
            if address == 0 || !address.is_multiple_of(8) || end > self.memory.data_size(&*store) {
                return Err(Error::Contract(format!(
                    "has an 'alloc' that gives address {address} for {wanted} bytes: it must be a multiple of 8, not 0, and lie in \
                     memory with all its bytes"
                )));
            }
            self.block = (address, wanted);
        }
        Ok(self.block.0)
    }
}

pub(super) enum Error {
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
pub(super) struct Layout {
    pub(super) bytes: usize,
    pub(super) buffers: Vec<(usize, Buffer)>,
}

impl Layout {
    pub(super) fn place(&mut self, bytes: usize) -> usize {
        let at = self.bytes.next_multiple_of(16);
        self.bytes = at + bytes;
        at
    }

    pub(super) fn buffer(&mut self, buffer: Buffer) -> usize {
        let at = self.place(buffer.len());
        self.buffers.push((at, buffer));
        at
    }

    pub(super) fn write(&self, memory: &mut [u8], base: usize) -> Result<(), Error> {
        for (at, buffer) in &self.buffers {
            memory
                .get_mut(base + at..base + at + buffer.len())
                .ok_or_else(outside)?
                .copy_from_slice(buffer);
        }
        Ok(())
    }
}

pub(super) fn int(number: usize) -> Val {
    Val::I32(number as i32)
}

pub(super) fn outside() -> Error {
    Error::Contract("gives an address outside of its memory".into())
}

pub(super) fn slice(memory: &[u8], at: usize, bytes: usize) -> Result<&[u8], Error> {
    at.checked_add(bytes)
        .and_then(|end| memory.get(at..end))
        .ok_or_else(outside)
}

pub(super) fn word(memory: &[u8], at: usize) -> Result<usize, Error> {
    let bytes = slice(memory, at, 4)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
}

/// Why a call ended, as a sentence without its subject.
pub(super) fn reason(error: &wasmtime::Error, guard: &Guard, limits: Limits) -> String {
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
