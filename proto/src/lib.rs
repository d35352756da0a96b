//! What travels between processes and into the metadata store: generated protobuf types and their small conversions.
//!
//! - [`graph`]: the executable job graph (`graph.proto`).
//! - [`control`]: control plane and worker (`control.proto`).
//! - [`exchange`]: rows between workers (`exchange.proto`).
//! - [`region`]: the parts of a job graph that fail alone. Leans on `graph`.
//! - [`schema`]: Arrow schemas as bytes. Leans on nothing.
//! - [`convert`]: to and from `weir-model`. Leans on `graph`, `control` and `schema`.

/// The executable job graph.
#[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]
pub mod graph {
    tonic::include_proto!("weir.graph");
}

/// Control plane and worker.
#[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]
pub mod control {
    tonic::include_proto!("weir.control");
}

/// Rows between workers.
#[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]
pub mod exchange {
    tonic::include_proto!("weir.exchange");
}

pub mod convert;
pub mod region;
pub mod schema;
