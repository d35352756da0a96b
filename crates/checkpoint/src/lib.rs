//! The checkpoint and savepoint protocol: what is decided, without I/O or a clock, and beside that the folders that it is kept in.
//!
//! - [`fence`]: which deployment of a job may still speak. Leans on nothing.
//! - [`key_group`]: which key group a key belongs to and which subtask owns a key group. Leans on nothing.
//! - [`manifest`]: what a checkpoint consists of. Leans on nothing.
//! - [`coordinator`]: when checkpoints are taken, and what becomes of them. Leans on `manifest`.
//! - [`restore`]: what the subtasks of another deployment begin with. Leans on `key_group` and `manifest`.
//! - [`storage`]: the folders that checkpoints and savepoints are kept in. Leans on `manifest`.
//! - [`gc`]: what in them is of no more use. Leans on `manifest` and `storage`.

pub mod coordinator;
pub mod fence;
pub mod gc;
pub mod key_group;
pub mod manifest;
pub mod restore;
pub mod storage;
