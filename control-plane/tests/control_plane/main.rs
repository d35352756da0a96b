//! The control plane against a real Postgres, with workers that speak the real protocol but run nothing.

mod api;
mod checkpoints;
mod cluster;
mod console;
mod lifecycle;
mod postgres;
mod store;
mod worker;
