//! Bodies about workers and the cluster.

use serde::{Deserialize, Serialize};

use crate::WorkerId;

/// A worker process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Worker {
    /// Its id.
    pub id: WorkerId,
    /// Host and port of its exchange, which other workers connect to.
    pub address: String,
    /// Its process id on its machine.
    pub pid: u32,
    /// Slots it offers.
    pub slots: u32,
    /// Slots that are free.
    pub free_slots: u32,
    /// Whether its heartbeats arrive.
    pub state: WorkerState,
    /// When it registered, milliseconds since 1970.
    pub registered_at_ms: i64,
    /// When it was last heard, milliseconds since 1970.
    pub last_heartbeat_ms: i64,
    /// Resident memory, bytes.
    pub memory_bytes: u64,
    /// CPU use over the last report in thousandths of a core: 1500 means one and a half cores.
    #[serde(default)]
    pub cpu_milli: u32,
    /// The version of its binary.
    pub version: String,
}

/// Whether a worker's heartbeats arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Heard lately.
    Alive,
    /// Its connection broke or its heartbeats stopped.
    Lost,
}

/// Workers, those alive first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WorkerList {
    /// Those alive first; lost ones are kept for an hour.
    pub workers: Vec<Worker>,
}

/// About this control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Info {
    /// The version of the binary.
    pub version: String,
    /// Slots of all workers alive.
    pub slots: u32,
    /// Those that are free.
    pub free_slots: u32,
    /// Workers alive.
    pub workers: u32,
}
