//! What the tests across crates share. Each test target is a folder beside this one:
//! `layers` (who may depend on whom), `sql` (golden scripts), `oracle` (against a batch engine), `e2e` (real
//! processes), `browser` (the console).
//!
//! - [`repository`]: the checkout: its folders, its source files, its crates as cargo sees them. Leans on nothing.
//! - [`skip`]: tests that need what this machine lacks. Leans on nothing.
//! - [`wait`]: waiting for a condition, with a bound. Leans on nothing.
//! - [`changes`]: printed changes, played back. Leans on nothing.
//! - [`connectors`]: a connector that a test drives itself. Leans on nothing.
//! - [`local`]: runs a script through the real planner and engine, in this process. Leans on nothing.
//! - [`checkpointed`]: runs a script with checkpoints, stopped and gone on with. Leans on `local`.
//! - [`api`]: the REST API as a client sees it. Leans on `wait`.
//! - [`cluster`]: real clusters on free ports. Leans on `api`.
//! - [`services`]: where servers beside Weir are installed. Leans on nothing.
//! - [`postgres`]: a database that logs changes of rows. Leans on nothing.
//! - [`process`]: a server that is killed and started again. Leans on `cluster`.
//! - [`tls`]: a certificate for such servers. Leans on nothing.
//! - [`kafka`], [`mqtt`], [`nats`], [`redis`], [`s3`]: such servers. Lean on `cluster` and `services`.
//! - [`registry`]: a schema registry in memory. Leans on nothing.
//! - [`demo`]: the examples with Kafka and Redis, on servers of their own. Leans on `kafka` and `redis`.
//! - [`browser`]: a headless browser. Leans on `wait`.

pub mod api;
pub mod browser;
pub mod changes;
pub mod checkpointed;
pub mod cluster;
pub mod connectors;
pub mod demo;
pub mod kafka;
pub mod local;
pub mod mqtt;
pub mod nats;
pub mod postgres;
pub mod process;
pub mod redis;
pub mod registry;
pub mod repository;
pub mod s3;
pub mod services;
pub mod skip;
pub mod tls;
pub mod wait;
