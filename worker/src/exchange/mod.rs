//! Rows between subtasks: which row goes where, batches worth sending, and channels to other workers.
//!
//! - [`hash`]: hashes of key columns, frozen. Leans on nothing.
//! - [`partition`]: which subtask each row goes to. Leans on `hash`.
//! - [`coalesce`]: gathers the rows for one destination. Leans on nothing.
//! - [`ipc`]: batches as bytes. Leans on nothing.
//! - [`remote`]: the sending end of channels to other workers, one connection per worker. Leans on `ipc`.
//! - [`receive`]: the receiving end: the `Exchange` service. Leans on `runtime::inbox`.

pub mod coalesce;
pub mod hash;
pub mod ipc;
pub mod partition;
pub mod receive;
pub mod remote;
#[cfg(test)]
mod tests;

use weir_proto::exchange::ChannelId;

/// Largest message that is taken from another worker, bytes. Batches are far smaller; a single huge row may come near.
pub const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// Bytes of a connection that may be under way before the receiver's process has taken them. Bounds memory per peer.
pub const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// Largest HTTP/2 frame that a worker takes from another, bytes: a batch travels in few of them.
pub const FRAME_BYTES: u32 = 1 << 20;

/// The request header in which a dialling worker says its own exchange address.
pub const FROM_HEADER: &str = "weir-exchange-address";

/// A channel as messages to people name it.
pub fn describe(channel: &ChannelId) -> String {
    let ChannelId {
        job_id,
        generation,
        edge,
        from_subtask,
        to_subtask,
    } = channel;
    format!("job {job_id}, generation {generation}, edge {edge}, subtask {from_subtask} to {to_subtask}")
}
