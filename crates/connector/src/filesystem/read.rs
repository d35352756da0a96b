//! The source: files and ranges of files into batches.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use weir_env::Clock;

use super::{
    bounds::Bounds,
    chunks::Chunks,
    columns::Columns,
    files::Files,
    format::FileFormat,
    parquet::{self, ParquetFile},
    split::{FileSplit, plan},
    store::{Found, Store},
    text::TextFile,
    watch::Watch,
};
use crate::{
    ChangelogMode, Comparison, ConnectorError, OptionError, Source, SourceContext, SourceEvent,
    SourceFactory, Split,
    format::{Format, avro},
    origin,
};

/// Files are not cut into smaller ranges than this.
const LEAST_RANGE_BYTES: u64 = 32 << 20;

/// So many files of a bucket are asked for before they are read, as far as they are small: the way there and back takes longer.
const FILES_AHEAD: usize = 8;
const AHEAD_BYTES: u64 = 16 << 20;

/// A checked table of files to read.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    files: Files,
    format: FileFormat,
    schema: SchemaRef,
    default_partition: String,
    /// How often it looks for more files; none: there are those that are there at the beginning.
    interval: Option<Duration>,
    filter: Arc<[Comparison]>,
    pub(super) least_range_bytes: u64,
}

impl Factory {
    pub(super) fn new(
        files: Files,
        format: FileFormat,
        schema: SchemaRef,
        default_partition: String,
        interval: Option<Duration>,
    ) -> Self {
        Self {
            files,
            format,
            schema,
            default_partition,
            interval,
            filter: Arc::default(),
            least_range_bytes: LEAST_RANGE_BYTES,
        }
    }

    /// What there is to read of these files.
    pub(super) fn plan(&self, files: &[Found], parallelism: u32) -> Vec<FileSplit> {
        // Files that come to be are known by their path, whatever the parallelism.
        let is_cut = self.format.is_splittable(&self.schema) && self.interval.is_none();
        let ranges = if is_cut { parallelism } else { 1 };
        plan(files, ranges, self.least_range_bytes, |path| {
            self.format.is_packed(path)
        })
    }

    /// The files as they are now.
    pub(super) async fn list(&self) -> Result<Vec<Found>, ConnectorError> {
        match self.files.list().await {
            // A folder of a bucket is there when something is in it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.interval.is_some() => {
                Ok(Vec::new())
            }
            listed => listed.map_err(|error| {
                ConnectorError::external(format!("cannot list '{}': {error}", self.files.store))
            }),
        }
    }
}

#[async_trait]
impl SourceFactory for Factory {
    fn is_bounded(&self) -> bool {
        self.interval.is_none()
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.format.changelog_mode()
    }

    async fn check(&self) -> Result<(), OptionError> {
        let store = &self.files.store;
        let reason = match self.files.list().await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                format!("'{store}' cannot be read: {error}")
            }
            Err(_) if self.interval.is_some() && store.is_bucket() => return Ok(()),
            Err(_) => format!("there is no file or folder '{store}'{}", store.seen_from()),
        };
        Err(OptionError::Unavailable { reason })
    }

    async fn splits(&self, parallelism: u32) -> Result<Vec<Split>, ConnectorError> {
        let files = self.list().await?;
        let splits = self.plan(&files, parallelism);
        splits.iter().map(FileSplit::to_split).collect()
    }

    fn discovers(&self) -> bool {
        self.interval.is_some()
    }

    async fn says_columns(&self, clock: Arc<dyn Clock>) -> Result<Option<SchemaRef>, ConnectorError> {
        let files = self.list().await?;
        let Some(file) = self.plan(&files, 1).into_iter().next() else {
            return Ok(None);
        };
        match &self.format {
            FileFormat::Parquet(_) => parquet::columns_of_file(&self.files.store, &file).await.map(Some),
            FileFormat::Text {
                format: Format::Avro(_),
                ..
            } => avro_columns(&self.files.store, &file).await.map(Some),
            FileFormat::Text { format, .. } => format.says_columns(None, clock.as_ref()).await,
        }
    }

    fn push_filter(&mut self, comparisons: Vec<Comparison>) {
        self.filter = comparisons.into();
    }

    async fn open(
        &self,
        splits: Vec<Split>,
        context: SourceContext,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        let columns = Columns::new(
            &self.schema,
            context.schema.clone(),
            self.default_partition.clone(),
            matches!(self.format, FileFormat::Parquet(_)),
        );
        let splits = splits
            .iter()
            .map(FileSplit::from_split)
            .collect::<Result<_, _>>()?;
        Ok(Box::new(Reader {
            splits,
            current: 0,
            open: None,
            ahead: VecDeque::new(),
            watch: self.interval.map(|interval| Watch::new(self, interval, &context)),
            found: VecDeque::new(),
            columns,
            context,
            table: self.clone(),
        }))
    }
}

/// The columns of a container file of Avro.
async fn avro_columns(store: &Store, file: &FileSplit) -> Result<SchemaRef, ConnectorError> {
    let mut chunks = Chunks::open(store, file, 0);
    let mut start = Vec::new();
    let place = || file.path.display().to_string();
    loop {
        let more = chunks.append_to(&mut start).await;
        let more =
            more.map_err(|error| ConnectorError::external(format!("cannot read '{}': {error}", place())))?;
        match avro::columns_of_file(&start) {
            Ok(Some(columns)) => return Ok(Arc::new(columns)),
            Ok(None) if more => {}
            Ok(None) => return Err(ConnectorError::user("the file ends within its header").at(place())),
            Err(reason) => return Err(ConnectorError::user(reason).at(place())),
        }
    }
}

/// Reads its splits one after the other.
struct Reader {
    table: Factory,
    /// Each at the position after the last event yielded.
    splits: Vec<FileSplit>,
    current: usize,
    /// The file of the current split.
    open: Option<OpenFile>,
    /// Those of splits behind it, whose first bytes are on their way.
    ahead: VecDeque<(usize, OpenFile)>,
    watch: Option<Watch>,
    /// Splits that were found and are not told of yet.
    found: VecDeque<FileSplit>,
    columns: Columns,
    context: SourceContext,
}

/// A file that is being read.
enum OpenFile {
    Text(Box<TextFile>),
    Parquet(Box<ParquetFile>),
}

impl OpenFile {
    /// The next rows, with the split moved behind them; none at its end. Cancel-safe.
    async fn next(&mut self, split: &mut FileSplit) -> Result<Option<RecordBatch>, ConnectorError> {
        match self {
            Self::Text(file) => file.next(split).await,
            Self::Parquet(file) => file.next(split).await,
        }
    }
}

impl Factory {
    fn store(&self) -> &Store {
        &self.files.store
    }

    /// Whether nothing of a file is wanted, by what is the same for all of its rows.
    fn spares(&self, split: &FileSplit, columns: &Columns) -> bool {
        let may_hold = |comparison: &Comparison| {
            let value = columns.of_file(&comparison.column, split)?;
            Some(Bounds::new(comparison, &value, &value)?.may_hold(0))
        };
        self.filter
            .iter()
            .any(|comparison| may_hold(comparison) == Some(false))
    }

    fn open_file(
        &self,
        split: &FileSplit,
        columns: &Columns,
        context: &SourceContext,
    ) -> Result<OpenFile, ConnectorError> {
        Ok(match &self.format {
            FileFormat::Text { format, .. } => {
                let decoder = format
                    .decoder(&origin::in_rows(&self.schema), columns.decoded())
                    .map_err(ConnectorError::internal)?;
                let file = TextFile::open(self.store(), split, decoder, context);
                OpenFile::Text(Box::new(file))
            }
            FileFormat::Parquet(_) => OpenFile::Parquet(Box::new(ParquetFile::open(
                self.store(),
                split,
                columns.decoded(),
                Arc::clone(&self.filter),
                context.batch_rows,
            ))),
        })
    }
}

impl Reader {
    /// Opens the file of the current split, and asks for some behind it.
    fn open_current(&mut self) -> Result<(), ConnectorError> {
        let open = |split| self.table.open_file(split, &self.columns, &self.context);
        self.open = Some(match self.ahead.pop_front() {
            Some((index, file)) if index == self.current => file,
            _ => open(&self.splits[self.current])?,
        });
        if !self.table.store().is_bucket() {
            return Ok(());
        }
        let last = self.ahead.back().map_or(self.current, |(index, _)| *index);
        let mut bytes: u64 = self.ahead.iter().map(|(i, _)| self.splits[*i].bytes).sum();
        for (index, split) in self.splits.iter().enumerate().skip(last + 1) {
            bytes += split.bytes;
            if self.ahead.len() == FILES_AHEAD || bytes > AHEAD_BYTES {
                break;
            }
            if !self.table.spares(split, &self.columns) {
                self.ahead.push_back((index, open(split)?));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Source for Reader {
    async fn next(&mut self) -> Result<SourceEvent, ConnectorError> {
        loop {
            if let Some(split) = self.found.pop_front() {
                let added = split.to_split()?;
                self.splits.push(split);
                return Ok(SourceEvent::SplitAdded { split: added });
            }
            let Some(split) = self.splits.get(self.current) else {
                let Some(watch) = &mut self.watch else {
                    return Ok(SourceEvent::End);
                };
                self.found.extend(watch.look(&self.context.clock).await);
                continue;
            };
            if self.open.is_none() && !self.table.spares(split, &self.columns) {
                self.open_current()?;
            }
            let split = &mut self.splits[self.current];
            let rows = match &mut self.open {
                Some(open) => open.next(split).await?,
                None => None,
            };
            let index = self.current;
            return Ok(if let Some(rows) = rows {
                SourceEvent::Rows {
                    split: index,
                    batch: self.columns.complete(rows, split)?,
                }
            } else {
                self.open = None;
                self.current += 1;
                SourceEvent::SplitEnd { split: index }
            });
        }
    }

    fn positions(&self) -> Vec<Split> {
        self.splits[self.current..]
            .iter()
            .map(|split| {
                split
                    .to_split()
                    .expect("a split that was read from its state can be written again")
            })
            .collect()
    }
}
