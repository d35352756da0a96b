//! The state of operators as rows: what a checkpoint keeps, and what a restored operator begins with.
//!
//! An operator keeps its state in a form of its own, vectorised and in memory. To the rest of the engine it is rows of tables, found by
//! key; each row belongs to a key group, by which state moves when a job is rescaled.
//!
//! - [`table`]: what the rows of a table look like. Leans on nothing.
//! - [`snapshot`]: rows written and deleted, as an operator gives them. Leans on `table`.
//! - [`dirty`]: which groups of an operator were written since the last snapshot. Leans on nothing.
//! - [`numbered`]: rows of an operator's input as rows of a table. Leans on `table`.
//! - [`codec`]: rows as bytes that sort by key group and key, and back. Leans on `table`.
//! - [`rehearse`]: an operator that is restored from its own snapshots again and again. Leans on all of the above.

pub mod codec;
pub mod dirty;
pub mod numbered;
pub mod rehearse;
pub mod snapshot;
pub mod table;

pub use dirty::Dirty;
pub use numbered::NumberedRows;
pub use snapshot::{Change, Scope, Snapshot};
pub use table::Table;
