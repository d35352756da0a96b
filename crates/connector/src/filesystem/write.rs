//! The sink: batches into part files.

use std::{mem, sync::Arc, time::Duration};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use weir_env::Clock;

use super::{
    commit,
    format::{FileEncoder, FileFormat},
    names::Names,
    partition::Partitioned,
    store::{Draft, Staged, Store},
};
use crate::{
    ChangelogMode, ConnectorError, OptionError, Sink, SinkContext, SinkFactory, options::Checked, origin,
};

/// Bytes are handed to the file in pieces of about this size.
const WRITE_BYTES: usize = 1 << 20;

/// A checked table to write.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    pub(super) store: Store,
    pub(super) format: FileFormat,
    /// The table's columns.
    pub(super) schema: SchemaRef,
    /// What stands for null in the name of a partition's folder.
    pub(super) default_partition: String,
    pub(super) rolling: Rolling,
    /// The name of the file that says of a partition's folder that it has rows; none: nothing does.
    pub(super) success_file: Option<String>,
}

/// When the next file is begun, beside at each checkpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rolling {
    /// When a file has so many bytes.
    pub(super) bytes: u64,
    /// When it was begun so long ago; none: however long ago.
    pub(super) age: Option<Duration>,
    /// When it had no rows for so long; none: however long.
    pub(super) silence: Option<Duration>,
    /// How often those two are looked at, at most.
    pub(super) check: Duration,
}

pub(super) const ROLLING_SIZE: &str = "sink.rolling-policy.file-size";
pub(super) const ROLLING_AGE: &str = "sink.rolling-policy.rollover-interval";
pub(super) const ROLLING_SILENCE: &str = "sink.rolling-policy.inactivity-interval";
pub(super) const ROLLING_CHECK: &str = "sink.rolling-policy.check-interval";

impl Rolling {
    /// As the options say; the error says what is wrong with the size.
    pub(super) fn new(options: &Checked<'_>, largest: u64) -> Result<Self, String> {
        let bytes = options.bytes(ROLLING_SIZE).unwrap_or_default();
        if bytes == 0 {
            return Err("it must be more than nothing".to_owned());
        }
        if bytes > largest {
            return Err(format!("a file of a bucket has at most {largest} bytes"));
        }
        Ok(Self {
            bytes,
            age: options.duration(ROLLING_AGE),
            silence: options.duration(ROLLING_SILENCE),
            check: options.duration(ROLLING_CHECK).unwrap_or_default(),
        })
    }
}

#[async_trait]
impl SinkFactory for Factory {
    fn changelog_mode(&self) -> ChangelogMode {
        let fields = self.schema.fields();
        if fields.iter().any(|field| origin::is_partition(field)) {
            return ChangelogMode::Append;
        }
        self.format.changelog_mode()
    }

    async fn check(&self) -> Result<(), OptionError> {
        match self.store.refuse_writing().await {
            Some(reason) => Err(OptionError::Unavailable { reason }),
            None => Ok(()),
        }
    }

    async fn open(&self, context: SinkContext) -> Result<Box<dyn Sink>, ConnectorError> {
        self.store.prepare(&context).await?;
        let fields = self.schema.fields();
        if fields.iter().any(|field| origin::is_partition(field)) {
            return Ok(Box::new(Partitioned::new(self.clone(), &self.schema, &context)));
        }
        let names = Names::new(&context, self.format.file_ending());
        let checkpoint = first_checkpoint(&context);
        let clock = Arc::clone(&context.clock);
        Ok(Box::new(self.writer(String::new(), names, checkpoint, clock)))
    }

    async fn commit(&self, commits: &[String]) -> Result<(), ConnectorError> {
        commit::commit(&self.store, commits, self.success_file.as_deref()).await
    }
}

/// The first checkpoint that can have what a new writer writes.
pub(super) fn first_checkpoint(context: &SinkContext) -> u64 {
    context.restored.unwrap_or(0) + 1
}

impl Factory {
    /// A writer into a folder below the table's.
    pub(super) fn writer(
        &self,
        folder: String,
        names: Names,
        checkpoint: u64,
        clock: Arc<dyn Clock>,
    ) -> Writer {
        Writer {
            store: self.store.clone(),
            format: self.format.clone(),
            table: Arc::clone(&self.schema),
            rolling: self.rolling,
            clock,
            folder,
            names,
            checkpoint,
            closed: Vec::new(),
            begun: 0,
            file: None,
        }
    }
}

/// Writes files of one folder that nobody sees before they are committed.
#[derive(Debug)]
pub(super) struct Writer {
    store: Store,
    format: FileFormat,
    /// The table's columns.
    table: SchemaRef,
    rolling: Rolling,
    clock: Arc<dyn Clock>,
    folder: String,
    names: Names,
    /// The first that can have the files.
    checkpoint: u64,
    /// Files that no checkpoint has.
    closed: Vec<Staged>,
    /// How many were begun since the last checkpoint.
    begun: usize,
    /// The one that grows.
    file: Option<OpenFile>,
}

#[derive(Debug)]
struct OpenFile {
    draft: Draft,
    encoder: FileEncoder,
    /// What was not handed to the draft yet.
    out: Vec<u8>,
    /// What was.
    written: u64,
    begun: Duration,
    /// When rows came last.
    touched: Duration,
    /// When its age was looked at last.
    checked: Duration,
}

impl OpenFile {
    fn bytes(&self) -> u64 {
        self.written + self.out.len() as u64 + self.encoder.waiting_bytes()
    }

    /// Bytes of it in memory.
    fn held_bytes(&self) -> u64 {
        self.out.len() as u64 + self.encoder.held_bytes() + self.draft.held_bytes()
    }

    async fn hand_over(&mut self) -> Result<(), ConnectorError> {
        self.written += self.out.len() as u64;
        self.draft.write(&mut self.out).await
    }

    /// All of its bytes handed over.
    async fn finish(self) -> Result<Draft, ConnectorError> {
        let Self {
            mut draft,
            encoder,
            mut out,
            ..
        } = self;
        encoder.finish(&mut out)?;
        draft.write(&mut out).await?;
        Ok(draft)
    }

    fn is_due(&mut self, rolling: &Rolling, now: Duration) -> bool {
        if self.bytes() >= rolling.bytes {
            return true;
        }
        if now.saturating_sub(self.checked) < rolling.check {
            return false;
        }
        self.checked = now;
        let is_past = |since: Duration, limit: Option<Duration>| {
            limit.is_some_and(|limit| now.saturating_sub(since) >= limit)
        };
        is_past(self.begun, rolling.age) || is_past(self.touched, rolling.silence)
    }
}

impl Writer {
    pub(super) async fn write(&mut self, batch: &RecordBatch) -> Result<(), ConnectorError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let now = self.clock.elapsed();
        self.roll(now).await?;
        if self.file.is_none() {
            self.begin_file(batch, now)?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.touched = now;
        file.encoder.write(batch, &mut file.out)?;
        if file.out.len() >= WRITE_BYTES {
            file.hand_over().await?;
        }
        self.roll(now).await
    }

    /// Ends the file that grows, if it is time.
    async fn roll(&mut self, now: Duration) -> Result<(), ConnectorError> {
        if self
            .file
            .as_mut()
            .is_some_and(|file| file.is_due(&self.rolling, now))
        {
            self.end_file().await?;
        }
        Ok(())
    }

    /// Ends the file that grows, whatever it has.
    pub(super) async fn end_file(&mut self) -> Result<(), ConnectorError> {
        if let Some(file) = self.file.take() {
            self.closed.push(file.finish().await?.close().await?);
        }
        Ok(())
    }

    /// Bytes in memory that are not on their way to the file.
    pub(super) fn held_bytes(&self) -> u64 {
        self.file.as_ref().map_or(0, OpenFile::held_bytes)
    }

    fn begin_file(&mut self, batch: &RecordBatch, now: Duration) -> Result<(), ConnectorError> {
        let encoder = self.format.begin_file(&batch.schema(), &self.table)?;
        let draft = self
            .store
            .create(&self.folder, &self.names, self.checkpoint, self.begun)?;
        self.begun += 1;
        self.file = Some(OpenFile {
            draft,
            encoder,
            out: Vec::new(),
            written: 0,
            begun: now,
            touched: now,
            checked: now,
        });
        Ok(())
    }

    /// Hands over what there is of the file that grows.
    pub(super) async fn flush(&mut self) -> Result<(), ConnectorError> {
        self.roll(self.clock.elapsed()).await?;
        match &mut self.file {
            Some(file) => file.hand_over().await,
            None => Ok(()),
        }
    }

    /// The files written so far: those that are closed, and the last one, which is to be closed. What follows belongs to a checkpoint
    /// from this one on.
    pub(super) async fn end(
        &mut self,
        next_checkpoint: u64,
    ) -> Result<(Vec<Staged>, Option<Draft>), ConnectorError> {
        self.checkpoint = next_checkpoint;
        self.begun = 0;
        let last = match self.file.take() {
            Some(file) => Some(file.finish().await?),
            None => None,
        };
        Ok((mem::take(&mut self.closed), last))
    }

    async fn stage(&mut self, next_checkpoint: u64) -> Result<Vec<String>, ConnectorError> {
        let (mut files, last) = self.end(next_checkpoint).await?;
        files.extend(commit::close(last.into_iter().collect()).await?);
        commit::stage(&self.store, files).await
    }
}

#[async_trait]
impl Sink for Writer {
    async fn write(&mut self, batch: RecordBatch) -> Result<(), ConnectorError> {
        self.write(&batch).await
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        self.flush().await
    }

    async fn prepare(&mut self, checkpoint: u64) -> Result<Vec<String>, ConnectorError> {
        self.stage(checkpoint + 1).await
    }

    async fn finish(&mut self) -> Result<Vec<String>, ConnectorError> {
        self.stage(self.checkpoint).await
    }
}
