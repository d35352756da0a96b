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

/// So many bytes of files that grow may be in memory; one alone may be larger.
const MOST_HELD_BYTES: u64 = 256 << 20;

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
    /// So much may be in memory of all their files.
    most_held_bytes: u64,
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
            most_held_bytes: MOST_HELD_BYTES,
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

    /// Ends the files that hold most, while all hold more than they may: there may be any number of folders.
    async fn make_room(&mut self) -> Result<(), ConnectorError> {
        let mut held: u64 = self.writers.values().map(Writer::held_bytes).sum();
        while held > self.most_held_bytes {
            let largest = self.writers.values_mut().max_by_key(|writer| writer.held_bytes());
            let Some(writer) = largest.filter(|writer| writer.held_bytes() > 0) else {
                break;
            };
            held -= writer.held_bytes();
            writer.end_file().await?;
        }
        Ok(())
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
        self.make_room().await
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
    use std::{fs, sync::Arc};

    use arrow_array::{Int64Array, StringArray};
    use arrow_schema::{Field, Schema};

    use super::*;
    use crate::{Connector as _, filesystem::tests};

    #[tokio::test]
    async fn files_end_early_when_those_of_many_folders_fill_the_memory() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let mut table = tests::table(folder.path(), &[("format", "parquet")]);
        table.schema = Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            origin::partition(Field::new("word", DataType::Utf8, true)),
        ]));
        let factory = crate::filesystem::sink_of(&table).expect("valid");
        let context = tests::sink_context(1, 0);
        let mut writer = Partitioned::new(factory, &table.schema, &context);
        writer.most_held_bytes = 300_000;
        for batch in 0..20_i64 {
            let numbers = Int64Array::from_iter_values(batch * 1000..batch * 1000 + 1000);
            let words: StringArray = (0..1000).map(|n| Some(format!("w{}", n % 7))).collect();
            let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(words)];
            let rows = RecordBatch::try_new(Arc::clone(&table.schema), columns).expect("a batch");
            writer.write(rows).await.expect("writes");
            let held: u64 = writer.writers.values().map(Writer::held_bytes).sum();
            assert!(held <= 300_000, "{held} bytes in memory");
        }
        let commits = writer.finish().await.expect("finishes");
        assert!(commits.len() > 7, "{} files", commits.len());
        let sink = crate::filesystem::Filesystem.sink(&table).expect("valid");
        sink.commit(&commits).await.expect("commits");
        let folders = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(folders, 7);
        let mut numbers = tests::read_all(folder.path(), &[("format", "parquet")])
            .await
            .expect("reads");
        numbers.sort_unstable();
        assert_eq!(numbers, (0..20_000).collect::<Vec<_>>());
    }

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
