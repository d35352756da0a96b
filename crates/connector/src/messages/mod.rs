//! What connectors of messages share: `nats`, `mqtt`, `http` and what is like it.
//!
//! - [`rows`]: messages into batches, with what is said of them. Leans on the formats.
//! - [`reader`]: a source whose splits are read by tasks of their own. Leans on `rows`.
//! - [`outgoing`]: batches into messages, with what columns say of them. Leans on the formats.
//! - [`in_flight`]: messages on their way. Leans on nothing.
//! - [`retries`]: tries again, each time after twice as long. Leans on nothing.

mod in_flight;
mod outgoing;
mod reader;
mod retries;
mod rows;

pub(crate) use in_flight::InFlight;
pub(crate) use outgoing::{Outgoing, entries, text};
pub(crate) use reader::{Delivery, Outlet, Position, Reader, Task};
pub(crate) use retries::Retries;
pub(crate) use rows::{Layout, Message, Rows, Said};
