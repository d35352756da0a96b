//! The sink: rows to keys, streams and channels.

use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;

use super::{
    layout::{Layout, Place},
    rows::Gathered,
    server::{Link, Server, failed},
};
use crate::{ChangelogMode, ConnectorError, OptionError, Sink, SinkContext, SinkFactory};

/// Rows are sent before they take more than this.
const MAX_BYTES: usize = 4 << 20;

/// A checked table to write.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    pub(super) server: Server,
    pub(super) layout: Layout,
    pub(super) max_rows: usize,
    pub(super) max_retries: u32,
}

#[async_trait]
impl SinkFactory for Factory {
    fn changelog_mode(&self) -> ChangelogMode {
        match self.layout.place {
            Place::Keyed { .. } => ChangelogMode::All,
            Place::Stream { .. } | Place::Channel { .. } => ChangelogMode::Append,
        }
    }

    async fn check(&self) -> Result<(), OptionError> {
        let mut connection = self.server.check().await?;
        let Place::Stream { key, .. } = &self.layout.place else {
            return Ok(());
        };
        check_stream(&mut connection, key).await
    }

    async fn open(&self, context: SinkContext) -> Result<Box<dyn Sink>, ConnectorError> {
        let link = Link::new(self.server.clone(), self.max_retries, Arc::clone(&context.clock));
        Ok(Box::new(Writer {
            link,
            server: self.server.clone(),
            rows: Gathered::new(self.layout.clone()),
            max_rows: self.max_rows,
        }))
    }
}

/// Refuses a key that holds something other than a stream; there need be none.
pub(super) async fn check_stream(
    connection: &mut ::redis::aio::MultiplexedConnection,
    key: &str,
) -> Result<(), OptionError> {
    let unavailable = |reason| OptionError::Unavailable { reason };
    let found: Result<String, _> = ::redis::cmd("TYPE").arg(key).query_async(connection).await;
    let found =
        found.map_err(|error| unavailable(failed(&format!("look at key '{key}'"), &error).message))?;
    match found.as_str() {
        "none" | "stream" => Ok(()),
        other => Err(unavailable(format!(
            "key '{key}' of Redis holds a {other}, and no stream"
        ))),
    }
}

/// Writes one subtask's rows.
struct Writer {
    link: Link,
    server: Server,
    rows: Gathered,
    max_rows: usize,
}

#[async_trait]
impl Sink for Writer {
    async fn write(&mut self, batch: RecordBatch) -> Result<(), ConnectorError> {
        // A batch is not parted: nobody sees a key between the row that is taken back and the one in its place.
        self.rows.add(&batch);
        if self.rows.rows() >= self.max_rows || self.rows.bytes() >= MAX_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        if self.rows.rows() == 0 {
            return Ok(());
        }
        let commands = self.rows.take();
        let patience = self.server.timeout();
        self.link
            .run("write to Redis", &commands, patience)
            .await
            .map(drop)
    }

    async fn finish(&mut self) -> Result<Vec<String>, ConnectorError> {
        self.flush().await?;
        Ok(Vec::new())
    }
}
