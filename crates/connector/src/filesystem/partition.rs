//! Partitions: folders that are named after the values of columns, as `day=2024-01-01/country=AT`.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt::Write as _,
    path::Path,
    sync::Arc,
};

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array, cast::AsArray};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::take::take;
use async_trait::async_trait;
use weir_env::Clock;

use super::{
    commit,
    names::Names,
    write::{Factory, Writer, first_checkpoint},
};
use crate::{ConnectorError, Sink, SinkContext, origin};

/// Characters that folders are not named with, beside those below the space.
const SPECIAL: &str = "\"#%'*/:=?\\\u{7f}{[]^";

/// The value of a column in the names of a file's folders; none if it is null, or no folder names it.
pub(super) fn value_of(file: &Path, column: &str, default: &str) -> Option<String> {
    let folders = file.parent()?.components();
    let mut values = folders.rev().filter_map(|folder| {
        let (name, value) = folder.as_os_str().to_str()?.split_once('=')?;
        (unescape(name) == column).then(|| unescape(value))
    });
    values.next().filter(|value| value != default)
}

fn folder_of(column: &str, value: Option<&str>, default: &str) -> String {
    let value = value.filter(|value| !value.is_empty()).unwrap_or(default);
    format!("{}={}", escape(column), escape(value))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c < ' ' || SPECIAL.contains(c) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "%{:02X}", c as u32);
        } else {
            escaped.push(c);
        }
    }
    escaped
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(byte) = byte {
            plain.push(char::from(byte));
            rest = &after[2..];
        } else {
            plain.push('%');
            rest = after;
        }
    }
    plain + rest
}

/// Writes each row into the folder of its partition, without the columns that the folder says.
pub(super) struct Partitioned {
    factory: Factory,
    names: Names,
    clock: Arc<dyn Clock>,
    /// The first that can have what is written now.
    checkpoint: u64,
    /// The columns that are written.
    columns: Vec<usize>,
    /// The partition columns.
    partitions: Vec<usize>,
    /// By folder; those that had rows since the last checkpoint.
    writers: HashMap<String, Writer>,
}

impl Partitioned {
    pub(super) fn new(factory: Factory, schema: &SchemaRef, context: &SinkContext) -> Self {
        let all = 0..schema.fields().len();
        let (partitions, columns) = all.partition(|i| origin::is_partition(schema.field(*i)));
        Self {
            names: Names::new(context, factory.format.file_ending()),
            clock: Arc::clone(&context.clock),
            checkpoint: first_checkpoint(context),
            factory,
            columns,
            partitions,
            writers: HashMap::new(),
        }
    }

    /// The rows of each folder.
    fn rows_by_folder(&self, batch: &RecordBatch) -> Result<HashMap<String, Vec<u32>>, ArrowError> {
        let texts = |i: &usize| cast(batch.column(*i), &DataType::Utf8);
        let values: Vec<ArrayRef> = self.partitions.iter().map(texts).collect::<Result<_, _>>()?;
        let mut rows: HashMap<String, Vec<u32>> = HashMap::new();
        let schema = batch.schema();
        for row in 0..batch.num_rows() {
            let folders = self.partitions.iter().zip(&values).map(|(column, values)| {
                let value = values.is_valid(row).then(|| values.as_string::<i32>().value(row));
                folder_of(
                    schema.field(*column).name(),
                    value,
                    &self.factory.default_partition,
                )
            });
            let folder = folders.collect::<Vec<_>>().join("/");
            rows.entry(folder).or_default().push(row as u32);
        }
        Ok(rows)
    }

    fn writer(&mut self, folder: String) -> &mut Writer {
        match self.writers.entry(folder) {
            Entry::Occupied(writer) => writer.into_mut(),
            Entry::Vacant(place) => {
                let (names, clock) = (self.names.clone(), Arc::clone(&self.clock));
                let folder = place.key().clone();
                place.insert(self.factory.writer(folder, names, self.checkpoint, clock))
            }
        }
    }

    /// What is to be committed of all folders; forgets the folders, of which there may be ever new ones.
    async fn stage(&mut self) -> Result<Vec<String>, ConnectorError> {
        let (mut files, mut drafts) = (Vec::new(), Vec::new());
        for (_, mut writer) in self.writers.drain() {
            let (closed, last) = writer.end(self.checkpoint).await?;
            files.extend(closed);
            drafts.extend(last);
        }
        files.extend(commit::close(drafts).await?);
        commit::stage(&self.factory.store, files).await
    }
}

#[async_trait]
impl Sink for Partitioned {
    async fn write(&mut self, batch: RecordBatch) -> Result<(), ConnectorError> {
        let broken = |e: ArrowError| ConnectorError::internal(format!("rows cannot be parted: {e}"));
        let folders = self.rows_by_folder(&batch).map_err(broken)?;
        let kept = batch.project(&self.columns).map_err(broken)?;
        for (folder, rows) in folders {
            let rows = UInt32Array::from(rows);
            let columns = kept.columns().iter().map(|column| take(column, &rows, None));
            let columns = columns.collect::<Result<Vec<_>, _>>().map_err(broken)?;
            let part = RecordBatch::try_new(kept.schema(), columns).map_err(broken)?;
            self.writer(folder).write(&part).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        for writer in self.writers.values_mut() {
            writer.flush().await?;
        }
        Ok(())
    }

    async fn prepare(&mut self, checkpoint: u64) -> Result<Vec<String>, ConnectorError> {
        self.checkpoint = checkpoint + 1;
        self.stage().await
    }

    async fn finish(&mut self) -> Result<Vec<String>, ConnectorError> {
        self.stage().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_come_back() {
        for value in ["AT", "a/b=c", "100%", "ü:{}", "%zz"] {
            let folder = folder_of("the day", Some(value), "none");
            let file = Path::new("/data").join(&folder).join("part-0.json");
            assert_eq!(
                value_of(&file, "the day", "none").as_deref(),
                Some(value),
                "{folder}"
            );
            assert_eq!(folder.matches('/').count(), 0);
        }
        let null = Path::new("/data").join(folder_of("k", None, "none")).join("x");
        assert_eq!(value_of(&null, "k", "none"), None);
        assert_eq!(value_of(&null, "other", "none"), None);
    }
}
