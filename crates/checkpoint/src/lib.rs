//! The checkpoint and savepoint protocol as pure decisions: no I/O, no clock.
//!
//! - [`fence`]: which deployment of a job may still speak. Leans on nothing.
//! - [`key_group`]: which key group a key belongs to and which subtask owns a key group. Leans on nothing.
//! - [`manifest`]: what a checkpoint consists of. Leans on nothing.
//! - [`coordinator`]: when checkpoints are taken, and what becomes of them. Leans on `manifest`.
//! - [`restore`]: what the subtasks of another deployment begin with. Leans on `key_group` and `manifest`.

pub mod coordinator;
pub mod fence;
pub mod key_group;
pub mod manifest;
pub mod restore;
