//! Savepoints: the catalogue, and those of one job.
//!
//! - [`page`]: the catalogue.
//! - [`of_job`]: a job's savepoints, and a form to take one.
//! - [`table`]: savepoints as rows that open.
//! - [`detail`]: one savepoint: what is said of it, and what can be done with it.

mod detail;
mod of_job;
mod page;
mod table;

pub(crate) use self::{of_job::JobSavepoints, page::SavepointsPage};
