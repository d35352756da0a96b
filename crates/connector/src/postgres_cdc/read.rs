//! The source: the table as it is, then its changes.

use arrow_schema::SchemaRef;
use async_trait::async_trait;

use super::{
    copy::{Copy, Copying, Order},
    log::Log,
    position::{Copied, Position},
    server::{Server, lsn},
};
use crate::{
    ChangelogMode, ConnectorError, OptionError, Source, SourceContext, SourceEvent, SourceFactory, Split,
};

/// What a new job reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Startup {
    /// The table as it is, then its changes.
    Initial,
    /// Changes from now on.
    Latest,
    /// Changes from where the slot is.
    Committed,
    /// The table as it is.
    Snapshot,
}

/// A checked table to read.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    pub(super) server: Server,
    pub(super) startup: Startup,
    pub(super) schema: SchemaRef,
    pub(super) keys: Vec<String>,
}

#[async_trait]
impl SourceFactory for Factory {
    fn is_bounded(&self) -> bool {
        self.startup == Startup::Snapshot
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Upsert
    }

    async fn check(&self) -> Result<(), OptionError> {
        let columns = self.schema.fields().iter().map(|field| field.name().clone());
        self.server.check(&columns.collect::<Vec<_>>(), &self.keys).await
    }

    async fn splits(&self, _parallelism: u32) -> Result<Vec<Split>, ConnectorError> {
        Ok(vec![Split {
            id: self.server.slot.clone(),
            state: Position::default().to_state(),
        }])
    }

    async fn sample(&self, context: SourceContext) -> Result<Box<dyn Source>, ConnectorError> {
        // The table as it is needs no slot.
        let table = Self {
            startup: Startup::Snapshot,
            ..self.clone()
        };
        table.open(table.splits(1).await?, context).await
    }

    async fn open(
        &self,
        splits: Vec<Split>,
        context: SourceContext,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        let position = splits
            .first()
            .map(|split| Position::from_state(&split.state))
            .transpose()?;
        let stage = match position {
            None => Stage::Ended,
            Some(_) => Stage::Begin,
        };
        Ok(Box::new(Reader {
            table: self.clone(),
            id: self.server.slot.clone(),
            has_split: position.is_some(),
            position: position.unwrap_or_default(),
            stage,
            context,
        }))
    }
}

/// Reads the one split, if this is the subtask that has it.
struct Reader {
    table: Factory,
    id: String,
    has_split: bool,
    /// After the last event yielded.
    position: Position,
    stage: Stage,
    context: SourceContext,
}

enum Stage {
    /// Nothing was read yet.
    Begin,
    /// The table is copied.
    Copying(Copying),
    /// The log is read.
    Reading(Box<Log>),
    /// The copy is all there is.
    Copied,
    /// There is nothing to read.
    Ended,
}

impl Reader {
    /// Makes what must be there, and says how to begin.
    async fn begin(&mut self) -> Result<Stage, ConnectorError> {
        let startup = self.table.startup;
        if startup != Startup::Snapshot {
            self.prepare().await?;
        }
        let server = &self.table.server;
        Ok(match (&self.position.copied, startup) {
            (Copied::All, Startup::Snapshot) => Stage::Copied,
            (Copied::All, _) | (_, Startup::Latest | Startup::Committed) => {
                let Self {
                    table,
                    position,
                    context,
                    ..
                } = &*self;
                let log = Log::open(server, &context.schema, &table.keys, position, context.batch_rows);
                Stage::Reading(Box::new(log.await?))
            }
            (copied, _) => Stage::Copying(Copying::begin(Order {
                server: server.clone(),
                schema: self.context.schema.clone(),
                keys: self.table.keys.clone(),
                after: match copied {
                    Copied::UpTo(key) => key.clone(),
                    _ => Vec::new(),
                },
                batch_rows: self.context.batch_rows,
            })),
        })
    }

    /// Makes the slot, and says where the log is read from.
    async fn prepare(&mut self) -> Result<(), ConnectorError> {
        let server = &self.table.server;
        let mut connection = server.connect().await?;
        if let Some(from) = self.position.lsn {
            // Without its slot, the log from there on may be gone, and with it changes.
            return match server.slot_at(&mut connection).await? {
                Some(at) if at <= from => Ok(()),
                Some(_) => Err(ConnectorError::user(format!(
                    "the slot '{}' is beyond where this job has come to: another one has read from it",
                    server.slot
                ))),
                None => Err(ConnectorError::user(format!(
                    "the slot '{}' is gone, and with it maybe changes: begin without this checkpoint",
                    server.slot
                ))),
            };
        }
        let (at, is_new) = server.prepare(&mut connection).await?;
        self.position.lsn = Some(at);
        if self.table.startup == Startup::Latest && !is_new {
            let now = server
                .text(&mut connection, "SELECT pg_current_wal_insert_lsn()::text")
                .await?;
            self.position.lsn = Some(lsn(&now)?);
        }
        Ok(())
    }

    fn on_copied(&mut self, said: Copy) -> Option<SourceEvent> {
        match said {
            Copy::Sees(seen) => {
                // What a copy that was broken off has seen, this one sees too; what only this one sees is read again.
                self.position.seen.get_or_insert(seen);
                None
            }
            Copy::Rows(batch, last) => {
                self.position.copied = Copied::UpTo(last);
                Some(SourceEvent::Rows { split: 0, batch })
            }
            Copy::Done => {
                self.position.copied = Copied::All;
                self.stage = Stage::Begin;
                None
            }
        }
    }
}

#[async_trait]
impl Source for Reader {
    async fn next(&mut self) -> Result<SourceEvent, ConnectorError> {
        loop {
            match &mut self.stage {
                Stage::Begin => self.stage = self.begin().await?,
                Stage::Copying(copying) => {
                    let said = copying.next().await?;
                    if let Some(event) = self.on_copied(said) {
                        return Ok(event);
                    }
                }
                Stage::Reading(log) => {
                    let (batch, position) = log.next().await?;
                    self.position = position;
                    return Ok(SourceEvent::Rows { split: 0, batch });
                }
                Stage::Copied => {
                    self.stage = Stage::Ended;
                    return Ok(SourceEvent::SplitEnd { split: 0 });
                }
                Stage::Ended => return Ok(SourceEvent::End),
            }
        }
    }

    async fn on_checkpoint_complete(&mut self, positions: &[Split]) {
        let Some(position) = positions.first().map(|split| Position::from_state(&split.state)) else {
            return;
        };
        match (&self.stage, position) {
            (Stage::Reading(log), Ok(position)) => log.forget(&position),
            (_, Err(error)) => tracing::warn!(%error, "a checkpoint's position was not told to PostgreSQL"),
            _ => {}
        }
    }

    fn positions(&self) -> Vec<Split> {
        if !self.has_split {
            return Vec::new();
        }
        let position = match &self.stage {
            Stage::Reading(log) => log.position().unwrap_or(&self.position),
            _ => &self.position,
        };
        vec![Split {
            id: self.id.clone(),
            state: position.to_state(),
        }]
    }
}
