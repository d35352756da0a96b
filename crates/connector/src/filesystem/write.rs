//! The sink: batches into part files.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;

use crate::{
    ChangelogMode, ConnectorError, OptionError, Sink, SinkContext, SinkFactory,
    format::{Encoder, Format},
    origin,
};

use super::partition::Partitioned;

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
        ChangelogMode::Append
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
        if self
            .schema
            .fields()
            .iter()
            .any(|field| origin::is_partition(field))
        {
            return Ok(Box::new(Partitioned::new(self.clone(), &self.schema, context)));
        }
        Ok(Box::new(self.writer(&self.folder, &context)?))
    }
}

impl Factory {
    /// A writer into a folder, which is made if it is not there.
    pub(super) fn writer(&self, folder: &Path, context: &SinkContext) -> Result<Writer, ConnectorError> {
        let writer = Writer {
            names: Names::new(folder, context, self.format.file_ending()),
            encoder: self.format.encoder(),
            roll_at: self.roll_at,
            text: Vec::new(),
            parts: Vec::new(),
            file: None,
            file_bytes: 0,
        };
        fs::create_dir_all(folder)
            .and_then(|()| writer.names.remove_leftovers())
            .map_err(|error| cannot("write to", folder, &error))?;
        Ok(writer)
    }
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> ConnectorError {
    ConnectorError::external(format!("cannot {what} '{}': {error}", path.display()))
        .at(path.display().to_string())
}

/// How the files of one writer are called.
///
/// A file in progress is hidden, and carries the job and the generation, so that what a failed execution left is told from what
/// another job is writing.
#[derive(Clone, Debug)]
struct Names {
    folder: PathBuf,
    job: String,
    generation: u64,
    subtask: u32,
    ending: &'static str,
}

impl Names {
    fn new(folder: &Path, context: &SinkContext, ending: &'static str) -> Self {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        };
        Self {
            folder: folder.to_owned(),
            job: context.job.chars().map(plain).collect(),
            generation: context.generation,
            subtask: context.subtask,
            ending,
        }
    }

    fn part(&self, nth: usize) -> Part {
        let Self {
            folder,
            job,
            generation,
            subtask,
            ending,
        } = self;
        let name = format!("part-{job}-{generation}-{subtask}-{nth}.{ending}");
        Part {
            hidden: folder.join(format!(".{name}.inprogress")),
            visible: folder.join(name),
        }
    }

    /// Removes files in progress of older generations of the job.
    fn remove_leftovers(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if !self.is_leftover(&entry.file_name().to_string_lossy()) {
                continue;
            }
            match fs::remove_file(entry.path()) {
                // Each writer of the job cleans up, so another may have been faster.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {
                    tracing::info!(file = %entry.path().display(), "removed a leftover of a failed execution");
                }
            }
        }
        Ok(())
    }

    fn is_leftover(&self, name: &str) -> bool {
        let rest = name
            .strip_prefix(".part-")
            .and_then(|name| name.strip_suffix(".inprogress"));
        let rest = rest.and_then(|rest| rest.strip_prefix(self.job.as_str())?.strip_prefix('-'));
        let generation = rest.and_then(|rest| rest.split('-').next()?.parse::<u64>().ok());
        generation.is_some_and(|generation| generation < self.generation)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    hidden: PathBuf,
    visible: PathBuf,
}

/// Writes hidden files, which become visible all together at the end.
///
/// Writes go straight to the page cache and so hold up the task no longer than a copy; only `finish` waits for the disk, off the
/// task's thread.
#[derive(Debug)]
pub(super) struct Writer {
    names: Names,
    encoder: Encoder,
    roll_at: u64,
    /// Encoded, and not yet handed to the file.
    text: Vec<u8>,
    parts: Vec<Part>,
    /// The last of the parts, while it grows.
    file: Option<File>,
    file_bytes: u64,
}

impl Writer {
    fn begin_part(&mut self, batch: &RecordBatch) -> Result<(), ConnectorError> {
        let part = self.names.part(self.parts.len());
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

    fn write_text(&mut self) -> Result<(), ConnectorError> {
        if let (Some(file), Some(part)) = (&mut self.file, self.parts.last()) {
            file.write_all(&self.text)
                .map_err(|error| cannot("write", &part.hidden, &error))?;
            self.file_bytes += self.text.len() as u64;
            self.text.clear();
        }
        Ok(())
    }
}

#[async_trait]
impl Sink for Writer {
    async fn write(&mut self, batch: RecordBatch) -> Result<(), ConnectorError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if self.file.is_none() {
            self.begin_part(&batch)?;
        }
        self.encoder.write(&batch, &mut self.text);
        let part_is_full = self.file_bytes + self.text.len() as u64 >= self.roll_at;
        if part_is_full || self.text.len() >= WRITE_BYTES {
            self.write_text()?;
        }
        if part_is_full {
            self.file = None;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        self.write_text()
    }

    async fn finish(&mut self) -> Result<Vec<String>, ConnectorError> {
        self.write_text()?;
        self.file = None;
        let (parts, folder) = (std::mem::take(&mut self.parts), self.names.folder.clone());
        tokio::task::spawn_blocking(move || publish(&parts, &folder))
            .await
            .map_err(|error| ConnectorError::internal(format!("publishing files: {error}")))??;
        Ok(Vec::new())
    }
}

/// Makes files durable, then visible.
fn publish(parts: &[Part], folder: &Path) -> Result<(), ConnectorError> {
    for Part { hidden, .. } in parts {
        File::open(hidden)
            .and_then(|file| file.sync_all())
            .map_err(|error| cannot("sync", hidden, &error))?;
    }
    for Part { hidden, visible } in parts {
        fs::rename(hidden, visible).map_err(|error| cannot("publish", visible, &error))?;
    }
    if parts.is_empty() {
        return Ok(());
    }
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| cannot("sync", folder, &error))
}
