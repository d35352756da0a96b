//! The sink: batches into part files.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;

use super::{
    commit::{self, Names, Part, cannot},
    partition::Partitioned,
};
use crate::{
    ChangelogMode, ConnectorError, OptionError, Sink, SinkContext, SinkFactory,
    format::{Encoder, Format},
    origin,
};

/// Text is handed to the file in pieces of this size.
const WRITE_BYTES: usize = 1 << 20;

/// A checked table to write.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    pub(super) folder: PathBuf,
    pub(super) format: Format,
    /// The table's columns.
    pub(super) schema: SchemaRef,
    /// What stands for null in the name of a partition's folder.
    pub(super) default_partition: String,
    /// Bytes after which the next file is begun.
    pub(super) roll_at: u64,
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
        // The folder itself may come into being when the job starts; what it would lie in must not be a file.
        match self.folder.ancestors().find(|path| path.exists()) {
            Some(path) if !path.is_dir() => Err(OptionError::Unavailable {
                reason: format!("'{}' is a file, but the table writes to a folder", path.display()),
            }),
            _ => Ok(()),
        }
    }

    async fn open(&self, context: SinkContext) -> Result<Box<dyn Sink>, ConnectorError> {
        commit::prepare_folder(&self.folder, &context).await?;
        let fields = self.schema.fields();
        if fields.iter().any(|field| origin::is_partition(field)) {
            return Ok(Box::new(Partitioned::new(self.clone(), &self.schema, &context)));
        }
        let names = Names::new(&context, self.format.file_ending());
        let checkpoint = first_checkpoint(&context);
        Ok(Box::new(self.writer(self.folder.clone(), names, checkpoint)))
    }

    async fn commit(&self, commits: &[String]) -> Result<(), ConnectorError> {
        commit::commit(commits).await
    }
}

/// The first checkpoint that can have what a new writer writes.
pub(super) fn first_checkpoint(context: &SinkContext) -> u64 {
    context.restored.unwrap_or(0) + 1
}

impl Factory {
    /// A writer into a folder that is there.
    pub(super) fn writer(&self, folder: PathBuf, names: Names, checkpoint: u64) -> Writer {
        Writer {
            folder,
            names,
            checkpoint,
            encoder: self.format.encoder(),
            roll_at: self.roll_at,
            text: Vec::new(),
            parts: Vec::new(),
            file: None,
            file_bytes: 0,
        }
    }
}

/// Writes hidden files of one folder, which become visible when they are committed.
///
/// Writes go straight to the page cache and so hold up the task no longer than a copy; the disk is waited for at a checkpoint, off
/// the task's thread.
#[derive(Debug)]
pub(super) struct Writer {
    folder: PathBuf,
    names: Names,
    /// The first that can have the parts.
    checkpoint: u64,
    encoder: Encoder,
    roll_at: u64,
    /// Encoded, and not yet handed to the file.
    text: Vec<u8>,
    /// Files that no checkpoint has.
    parts: Vec<Part>,
    /// The last of the parts, while it grows.
    file: Option<File>,
    file_bytes: u64,
}

impl Writer {
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ConnectorError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if self.file.is_none() {
            self.begin_part(batch)?;
        }
        self.encoder.write(batch, &mut self.text);
        let part_is_full = self.file_bytes + self.text.len() as u64 >= self.roll_at;
        if part_is_full || self.text.len() >= WRITE_BYTES {
            self.write_text()?;
        }
        if part_is_full {
            self.file = None;
        }
        Ok(())
    }

    fn begin_part(&mut self, batch: &RecordBatch) -> Result<(), ConnectorError> {
        let part = self.names.part(&self.folder, self.checkpoint, self.parts.len());
        if part.visible.exists() {
            let error = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(cannot("write", &part.visible, &error));
        }
        let file = File::create_new(&part.hidden).map_err(|error| cannot("create", &part.hidden, &error))?;
        self.file = Some(file);
        self.file_bytes = 0;
        self.parts.push(part);
        self.encoder.write_header(&batch.schema(), &mut self.text);
        Ok(())
    }

    pub(super) fn write_text(&mut self) -> Result<(), ConnectorError> {
        if let (Some(file), Some(part)) = (&mut self.file, self.parts.last()) {
            file.write_all(&self.text)
                .map_err(|error| cannot("write", &part.hidden, &error))?;
            self.file_bytes += self.text.len() as u64;
            self.text.clear();
        }
        Ok(())
    }

    /// The files written so far, complete but for the disk; what follows belongs to a checkpoint from this one on.
    pub(super) fn close(&mut self, next_checkpoint: u64) -> Result<Vec<Part>, ConnectorError> {
        self.write_text()?;
        self.file = None;
        self.checkpoint = next_checkpoint;
        Ok(std::mem::take(&mut self.parts))
    }
}

#[async_trait]
impl Sink for Writer {
    async fn write(&mut self, batch: RecordBatch) -> Result<(), ConnectorError> {
        self.write(&batch)
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        self.write_text()
    }

    async fn prepare(&mut self, checkpoint: u64) -> Result<Vec<String>, ConnectorError> {
        let parts = self.close(checkpoint + 1)?;
        commit::stage(parts, &self.folder).await
    }

    async fn finish(&mut self) -> Result<Vec<String>, ConnectorError> {
        let parts = self.close(self.checkpoint)?;
        commit::stage(parts, &self.folder).await
    }
}
