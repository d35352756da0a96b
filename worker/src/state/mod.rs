//! The state of operators as rows: what a checkpoint keeps, and what a restored operator begins with.
//!
//! An operator keeps its state in a form of its own, vectorised and in memory. To the rest of the engine it is rows of tables, found by
//! key; each row belongs to a key group, by which state moves when a job is rescaled.
//!
//! - [`table`]: what the rows of a table look like. Leans on nothing.
//! - [`snapshot`]: rows written and deleted, as an operator gives them. Leans on `table`.
//! - [`dirty`]: which groups of an operator were written since the last snapshot. Leans on nothing.
//! - [`frozen`]: which of them a snapshot has yet to say. Leans on nothing.
//! - [`numbered`]: rows of an operator's input as rows of a table. Leans on `table`.
//! - [`codec`]: rows as bytes that sort by key group and key, and back. Leans on `table`.
//! - [`shape`]: tables as a manifest says them. Leans on `table`.
//! - [`memory`]: what a worker's memory is for. Leans on nothing.
//! - [`local`]: a worker's folder on its machine. Leans on nothing.
//! - [`file`]: Weir's own files of sorted entries. Leans on nothing.
//! - [`store`]: the byte store, in a RocksDB database or in memory. Leans on `memory` and `file`.
//! - [`transfer`]: files between this machine and the object store. Leans on nothing.
//! - [`copies`]: files of checkpoints that are kept on this machine. Leans on nothing.
//! - [`in_flight`]: rows on their way, in a file. Leans on `transfer` and the exchange's form of rows.
//! - [`backend`]: keeps the rows of a subtask's operators from one deployment to the next. Leans on all of the above.
//! - [`spill`]: an operator whose state may be larger than memory. Leans on `backend`.
//! - [`rehearse`]: an operator that is restored from its own snapshots again and again. Leans on `codec` and `snapshot`.

pub mod backend;
pub mod codec;
pub mod copies;
pub mod dirty;
pub mod file;
pub mod frozen;
pub mod in_flight;
pub mod local;
pub mod memory;
pub mod numbered;
pub mod rehearse;
pub mod shape;
pub mod snapshot;
pub mod spill;
pub mod store;
pub mod table;
pub mod transfer;

pub use backend::{Backend, BackendConfig};
pub use dirty::Dirty;
pub use frozen::Frozen;
pub use memory::MemoryBudget;
pub use numbered::NumberedRows;
pub use snapshot::{Change, Scope, Snapshot};
pub use table::Table;
pub use transfer::StateFolder;
