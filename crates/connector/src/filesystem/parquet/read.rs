//! Reads the row groups of a split: one is fetched while rows of the one before are decoded.

use std::{collections::VecDeque, error::Error, io, ops::Range, sync::Arc};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use parquet::{
    arrow::{
        ParquetRecordBatchStreamBuilder,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader},
        async_reader::AsyncFileReader,
    },
    errors::ParquetError,
    file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData},
};
use tokio::task::JoinHandle;

use super::{mapping::Mapping, prune, types};
use crate::{
    Comparison, ConnectorError,
    filesystem::{
        split::FileSplit,
        store::Store,
        text::{MAX_BATCH_BYTES, read_error},
    },
};

/// What is read at once of a file's end, where it says what is in it.
const FOOTER_BYTES: usize = 64 << 10;

type Outcome<T> = Result<T, ConnectorError>;

/// A split that is being read.
pub(in super::super) struct ParquetFile {
    file: File,
    batch_rows: usize,
    opening: JoinHandle<Outcome<Open>>,
    open: Option<Open>,
}

/// A file whose schema and row groups are known.
struct Open {
    metadata: ArrowReaderMetadata,
    mapping: Mapping,
    /// Row groups that are not asked for yet.
    ahead: VecDeque<Group>,
    coming: Option<JoinHandle<Outcome<Rows>>>,
    reading: Option<Rows>,
}

/// A row group to read, from a row of it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    index: usize,
    /// Which row of the file its first one is.
    first_row: u64,
    rows: u64,
    skipped: u64,
}

/// The rows of a group.
struct Rows {
    reader: ParquetRecordBatchReader,
    /// Which row of the file comes next.
    next_row: u64,
}

/// The columns of a file, as a table would have them.
pub(in super::super) async fn columns_of_file(store: &Store, split: &FileSplit) -> Outcome<SchemaRef> {
    let mut file = File {
        store: store.clone(),
        split: split.clone(),
    };
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load_async(&mut file, options).await;
    let metadata = metadata.map_err(|error| file.failed(&error))?;
    Ok(types::table_schema(metadata.schema()))
}

impl ParquetFile {
    /// Asks for what the file says of itself at once.
    pub(in super::super) fn open(
        store: &Store,
        split: &FileSplit,
        wanted: &SchemaRef,
        filter: Arc<[Comparison]>,
        batch_rows: usize,
    ) -> Self {
        let file = File {
            store: store.clone(),
            split: split.clone(),
        };
        let opening = Open::new(file.clone(), Arc::clone(wanted), filter);
        Self {
            file,
            batch_rows,
            opening: tokio::spawn(opening),
            open: None,
        }
    }

    /// The next rows, with the split moved behind them; none at its end. Cancel-safe.
    pub(in super::super) async fn next(&mut self, split: &mut FileSplit) -> Outcome<Option<RecordBatch>> {
        loop {
            let open = if let Some(open) = &mut self.open {
                open
            } else {
                let opened = (&mut self.opening).await.map_err(gave_up)?;
                self.open.insert(opened?)
            };
            if let Some(rows) = &mut open.reading {
                if let Some(batch) = rows.reader.next() {
                    let batch = batch.and_then(|batch| open.mapping.rows(&batch));
                    let batch = batch.map_err(|error| self.file.wrong(&error))?;
                    rows.next_row += batch.num_rows() as u64;
                    split.position = Some(rows.next_row);
                    return Ok(Some(batch));
                }
                open.reading = None;
            }
            match open.next_group(&self.file, self.batch_rows).await? {
                Some(rows) => open.reading = Some(rows),
                None => return Ok(None),
            }
        }
    }
}

impl Open {
    async fn new(mut file: File, wanted: SchemaRef, filter: Arc<[Comparison]>) -> Outcome<Self> {
        // The types are Parquet's own: what Arrow's writers say beside them is how they had them in memory.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::load_async(&mut file, options).await;
        let metadata = metadata.map_err(|error| file.failed(&error))?;
        let mapping = Mapping::new(&wanted, &metadata).map_err(|reason| file.wrong(&reason))?;
        let may_match = prune::may_match(&metadata, &wanted, &filter);
        let groups = groups(metadata.metadata().row_groups(), &file.split);
        Ok(Self {
            ahead: groups.filter(|group| may_match[group.index]).collect(),
            metadata,
            mapping,
            coming: None,
            reading: None,
        })
    }

    /// The next group's rows, while the one behind it begins to come.
    async fn next_group(&mut self, file: &File, batch_rows: usize) -> Outcome<Option<Rows>> {
        self.ask_ahead(file, batch_rows);
        let Some(coming) = &mut self.coming else {
            return Ok(None);
        };
        let rows = coming.await;
        self.coming = None;
        let rows = rows.map_err(gave_up)??;
        self.ask_ahead(file, batch_rows);
        Ok(Some(rows))
    }

    fn ask_ahead(&mut self, file: &File, batch_rows: usize) {
        if self.coming.is_some() {
            return;
        }
        let Some(group) = self.ahead.pop_front() else {
            return;
        };
        let metadata = self.metadata.clone();
        let of_group = metadata.metadata().row_group(group.index);
        let fetch = Fetch {
            batch_rows: batch_rows.min(rows_of_batch(of_group, &self.mapping)).max(1),
            mapping: self.mapping.clone(),
            file: file.clone(),
            metadata,
            group,
        };
        self.coming = Some(tokio::spawn(fetch.rows()));
    }
}

/// So many rows of a group make a batch that is not too large.
fn rows_of_batch(group: &RowGroupMetaData, mapping: &Mapping) -> usize {
    let columns = group.columns().iter().enumerate();
    let read = columns.filter(|(leaf, _)| mapping.mask.leaf_included(*leaf));
    let bytes: i64 = read.map(|(_, column)| column.uncompressed_size()).sum();
    let of_row = bytes / group.num_rows().max(1);
    (MAX_BATCH_BYTES / u64::try_from(of_row).unwrap_or(0).max(1)) as usize
}

/// The row groups that begin in a split, from its position on.
fn groups(all: &[RowGroupMetaData], split: &FileSplit) -> impl Iterator<Item = Group> {
    let mut first_row = 0;
    let position = split.position.unwrap_or(0);
    let (start, end) = (split.start, split.end.unwrap_or(u64::MAX));
    let group = move |(index, group): (usize, &RowGroupMetaData)| {
        let begins_at = group.columns().first().map_or(0, |column| column.byte_range().0);
        let rows = u64::try_from(group.num_rows()).unwrap_or(0);
        let group = Group {
            index,
            first_row,
            rows,
            skipped: position.saturating_sub(first_row),
        };
        first_row += rows;
        ((start..end).contains(&begins_at) && group.skipped < rows).then_some(group)
    };
    all.iter()
        .enumerate()
        .filter_map(group)
        .collect::<Vec<_>>()
        .into_iter()
}

/// A row group that is asked for.
struct Fetch {
    file: File,
    metadata: ArrowReaderMetadata,
    mapping: Mapping,
    group: Group,
    batch_rows: usize,
}

impl Fetch {
    async fn rows(self) -> Outcome<Rows> {
        let Self {
            file,
            metadata,
            mapping,
            group,
            batch_rows,
        } = self;
        let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(file.clone(), metadata)
            .with_row_groups(vec![group.index])
            .with_projection(mapping.mask)
            .with_batch_size(batch_rows)
            .with_offset(group.skipped as usize);
        let reader = match builder.build() {
            Ok(mut stream) => stream.next_row_group().await,
            Err(error) => Err(error),
        };
        match reader.map_err(|error| file.failed(&error))? {
            Some(reader) => Ok(Rows {
                reader,
                next_row: group.first_row + group.skipped,
            }),
            None => Err(file.wrong(&"a row group has no rows in it")),
        }
    }
}

fn gave_up(error: tokio::task::JoinError) -> ConnectorError {
    ConnectorError::internal(format!("reading a file: {error}"))
}

/// A file as the decoder asks for it.
#[derive(Clone)]
struct File {
    store: Store,
    split: FileSplit,
}

impl File {
    /// It is there, and not as it should be.
    fn wrong(&self, reason: &dyn std::fmt::Display) -> ConnectorError {
        let path = self.split.path.display().to_string();
        ConnectorError::user(format!("'{path}' cannot be read: {reason}")).at(path)
    }

    fn failed(&self, error: &ParquetError) -> ConnectorError {
        let of_system = match error {
            ParquetError::External(inner) => inner.downcast_ref::<io::Error>(),
            _ => None,
        };
        match of_system {
            Some(error) => read_error(&self.split, error),
            None => self.wrong(error),
        }
    }

    async fn ranges(&self, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>, ParquetError> {
        let read = self.store.ranges(&self.split, ranges).await;
        read.map_err(|error| ParquetError::External(Box::<dyn Error + Send + Sync>::from(error)))
    }
}

impl AsyncFileReader for File {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move { Ok(self.ranges(vec![range]).await?.pop().unwrap_or_default()) }.boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        self.ranges(ranges).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let bytes = self.split.bytes;
            let reader = ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_BYTES));
            Ok(Arc::new(reader.load_and_finish(self, bytes).await?))
        }
        .boxed()
    }
}
