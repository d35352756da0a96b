//! `http`, `sse` and `websocket`: what is sent to servers of the web, and what they say.
//!
//! - `options`: what tables say. Leans on nothing.
//! - `target`: where requests go, answers classified. Leans on `options`.
//! - `record`: what is known of a record; records in an answer. Leans on nothing.
//! - `position`: the one split. Leans on nothing.
//! - `read`: what the sources have in common. Leans on `record` and `position`.
//! - `poll`: the source of `http`. Leans on `read` and `target`.
//! - `write`: the sink of `http`. Leans on `target`.
//! - `lookup`: the lookup of `http`. Leans on `record` and `target`.
//! - `events`: server-sent events out of bytes. Leans on nothing.
//! - `sse`: the source of `sse`. Leans on `events`, `read` and `target`.
//! - `websocket`: the source of `websocket`. Leans on `read` and `target`.

mod events;
mod lookup;
mod options;
mod poll;
mod position;
mod read;
mod record;
mod sse;
mod target;
mod websocket;
mod write;

use crate::{
    Connector, LookupFactory, OptionError, Role, SinkFactory, SourceFactory, Table, format::Format,
    options::OptionDef, origin::MetadataDef,
};

/// The `http` connector.
#[derive(Clone, Copy, Debug)]
pub struct Http;

impl Connector for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn summary(&self) -> &'static str {
        "sends rows to a URL, one in a request or many, reads what a URL answers again and again, and looks rows up by a URL for each key"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Source, Role::Sink, Role::Lookup]
    }

    fn has_format(&self) -> bool {
        true
    }

    fn guide(&self) -> &'static str {
        HTTP_GUIDE
    }

    fn options(&self) -> &'static [OptionDef] {
        options::HTTP
    }

    fn metadata(&self) -> &'static [MetadataDef] {
        record::HTTP_METADATA
    }

    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        let (format, options) = Format::of_table(self.name(), options::HTTP, &table.options)?;
        Ok(Box::new(poll::Factory::new(&options, format, table)?))
    }

    fn sink(&self, table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        let (format, options) = Format::of_table(self.name(), options::HTTP, &table.options)?;
        Ok(Box::new(write::Factory::new(&options, format, table)?))
    }

    fn lookup(&self, table: &Table) -> Result<Box<dyn LookupFactory>, OptionError> {
        let (format, options) = Format::of_table(self.name(), options::HTTP, &table.options)?;
        Ok(Box::new(lookup::Factory::new(&options, format, table)?))
    }
}

/// The `sse` connector.
#[derive(Clone, Copy, Debug)]
pub struct Sse;

impl Connector for Sse {
    fn name(&self) -> &'static str {
        "sse"
    }

    fn summary(&self) -> &'static str {
        "reads server-sent events"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Source]
    }

    fn has_format(&self) -> bool {
        true
    }

    fn guide(&self) -> &'static str {
        SSE_GUIDE
    }

    fn options(&self) -> &'static [OptionDef] {
        options::SSE
    }

    fn metadata(&self) -> &'static [MetadataDef] {
        record::SSE_METADATA
    }

    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        let (format, options) = Format::of_table(self.name(), options::SSE, &table.options)?;
        Ok(Box::new(sse::Factory::new(&options, format, table)?))
    }

    fn sink(&self, table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        Err(only_read(self.name(), table))
    }
}

/// The `websocket` connector.
#[derive(Clone, Copy, Debug)]
pub struct WebSocket;

impl Connector for WebSocket {
    fn name(&self) -> &'static str {
        "websocket"
    }

    fn summary(&self) -> &'static str {
        "reads the messages that a server sends over a WebSocket"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Source]
    }

    fn has_format(&self) -> bool {
        true
    }

    fn guide(&self) -> &'static str {
        WEBSOCKET_GUIDE
    }

    fn options(&self) -> &'static [OptionDef] {
        options::WEBSOCKET
    }

    fn metadata(&self) -> &'static [MetadataDef] {
        record::WEBSOCKET_METADATA
    }

    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        let (format, options) = Format::of_table(self.name(), options::WEBSOCKET, &table.options)?;
        Ok(Box::new(websocket::Factory::new(&options, format, table)?))
    }

    fn sink(&self, table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        Err(only_read(self.name(), table))
    }
}

fn only_read(connector: &str, table: &Table) -> OptionError {
    OptionError::Unsupported {
        reason: format!(
            "'{}' cannot be written: connector '{connector}' only reads",
            table.name
        ),
    }
}

const CACHE: OptionDef = crate::lookup::cache("NONE");

const HTTP_GUIDE: &str = "\
**Writing.** A request has one row, or many (`sink.body`). A checkpoint waits until all rows before it were answered with 2xx, so that each is \
sent at least once: after a failure of the job, those behind the last checkpoint are sent once more. A server that is away, too slow \
(`timeout`) or overloaded (408, 425, 429, 5xx) is asked again, after the time in its `Retry-After` if it says one (at most 5 minutes), and \
the job waits meanwhile. Any other answer fails the job at once with the server's words; redirections are such answers. With \
`sink.idempotency-key-header` each request has a key that stays the same when it is sent again by a running job; a column that says the key \
(`METADATA FROM 'idempotency-key'`), made of what is in the row, also makes the same key after a failure of the job, so that a server that knows \
such keys does each thing once.

**Reading.** The URL is asked at once, and then `scan.interval` after each answer. A checkpoint has what the server called the last answer that \
was read (`ETag`, `Last-Modified`), and a digest of it. Each answer that is read is read at least once; what changed twice between two questions is \
seen as it was last. One subtask reads.

\
**Looking up.** The URL has columns in it, and a lookup join must join all of them; a GET is made for each key, `lookup.max-in-flight` at once. An \
answer has one row or several (`scan.records`, `scan.records-pointer`), which need not have the columns of the URL; 404, 410 and 204 have none. Keep \
answers with `lookup.cache` = `PARTIAL`.";

const SSE_GUIDE: &str = "\
A checkpoint has the id of the last event, and reading goes on behind it: the server is asked so by `Last-Event-ID`. If it keeps its events, \
and gives each an id, each is read exactly once; without ids, or with a server that forgets, what is sent while nobody is connected is lost, \
and what was read since the last checkpoint is lost in a failure. When a stream ends, it is asked for again after the time that the server \
has said (`retry`), or 1 s; an answer of 204 ends the table. One subtask reads.";

const WEBSOCKET_GUIDE: &str = "\
Each message, text or binary, is a record. The server is not told what was read, and keeps nothing: what it sends while nobody is connected, \
and what was read since the last checkpoint when the job fails, is lost (at most once). When the connection breaks it is made again, and \
`scan.subscription-message` is sent again. A silent server is asked whether it is there (a ping) after half of `scan.idle-timeout`. One subtask \
reads.";

#[cfg(test)]
mod tests;
