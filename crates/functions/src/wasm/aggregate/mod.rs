//! Aggregate functions of modules. Their state is a number of bytes per group that the engine keeps: it lends them to the module for
//! the time of a call.
//!
//! - [`signature`]: what an export's name says of an aggregate. Leans on nothing.
//! - `driver`: loops over rows and groups, as WebAssembly. Leans on `signature`.
//! - `export`: the aggregates of a compiled module, checked. Leans on `driver`.
//! - `instance`: one at work. Leans on `export`.
//! - [`function`]: such a function, and how it travels to workers. Leans on all of the above.

mod driver;
mod export;
pub mod function;
mod instance;
pub mod signature;
#[cfg(test)]
mod tests;

pub use function::WasmAggregate;
pub use signature::AggregateSignature;

pub(super) use export::{Export, exports};
pub(super) use signature::is_one;
