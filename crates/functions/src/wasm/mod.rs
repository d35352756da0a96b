//! Functions that users bring as WebAssembly modules: computed a batch of rows at a time, in a sandbox.
//!
//! `docs/wasm.md` describes what a module looks like. In reading order:
//!
//! - [`signature`]: what an export's name says of a function. Leans on nothing.
//! - `driver`: the loop over rows, as WebAssembly, for functions of one row's values. Leans on `signature`.
//! - [`module`]: compiled modules, checked. Leans on `signature` and `driver`.
//! - `columns`: Arrow columns to a module's memory and back. Leans on nothing.
//! - `memory`: a module's memory and its limit. Leans on nothing.
//! - `instance`: a function of a module at work. Leans on `module`, `columns` and `memory`.
//! - [`function`]: such a function for DataFusion, and how it travels to workers. Leans on `module` and `instance`.
//! - [`aggregate`]: aggregate functions of modules, with their signature, drivers and instances. Leans on all of the above.

pub mod aggregate;
mod columns;
mod driver;
pub mod function;
mod instance;
mod memory;
pub mod module;
pub mod signature;
#[cfg(test)]
mod tests;

pub use aggregate::WasmAggregate;
pub use function::{Limits, WasmFunction, decode, encode};
pub use module::{Exported, MAX_MODULE_BYTES, Module, ModuleError};
