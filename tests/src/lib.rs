//! What the tests across crates share. Each test target is a folder beside this one.
//!
//! - [`repository`]: the checkout: its folders, its source files, its crates as cargo sees them. Leans on nothing.

pub mod repository;
