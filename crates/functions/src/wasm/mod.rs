//! Functions that users bring as WebAssembly modules: computed a batch of rows at a time, in a sandbox.
//!
//! `docs/wasm.md` describes what a module looks like. In reading order:
//!
//! - [`signature`]: what an export's name says of a function. Leans on nothing.
//! - `driver`: the loop over rows, as WebAssembly, for functions of one row's values. Leans on `signature`.
//! - [`module`]: compiled modules, checked. Leans on `signature` and `driver`.
//! - `columns`: Arrow columns to a module's memory and back. Leans on nothing.
//! - `instance`: a module at work, within its limits. Leans on `module` and `columns`.
//! - [`function`]: such a function for DataFusion, and how it travels to workers. Leans on `module` and `instance`.

mod columns;
mod driver;
pub mod function;
mod instance;
pub mod module;
pub mod signature;
#[cfg(test)]
mod tests;

pub use function::{Limits, WasmFunction, decode, encode};
pub use module::{MAX_MODULE_BYTES, Module, ModuleError};
