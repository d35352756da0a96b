//! What the console computes, apart from how it shows it: pure functions that run and are tested on any machine.
//!
//! - [`format`]: numbers, times and durations for people. Leans on nothing.
//! - [`sql`]: tokens of Flink SQL, for highlighting and for marking an error. Leans on nothing.
//! - [`words`]: what people type, as the API wants it. Leans on nothing.
//! - [`ddl`]: `CREATE TABLE` out of what a form says. Leans on nothing.
//! - [`edit`]: what Tab, Shift+Tab and Enter do to a text. Leans on nothing.
//! - [`graph`]: what is said on a job graph. Leans on the model's graph and metrics.
//! - [`checkpoint`]: the parts of a checkpoint, task by task. Leans on the model's checkpoints and graph.
//! - [`layout`]: where operators and edges of a job graph are drawn. Leans on the model's graph.
//! - [`table`]: printed rows as columns and cells. Leans on the model's output.

pub mod checkpoint;
pub mod ddl;
pub mod edit;
pub mod format;
pub mod graph;
pub mod layout;
pub mod sql;
pub mod table;
pub mod words;
