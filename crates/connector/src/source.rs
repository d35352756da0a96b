//! The source traits: what can be read in parallel and again (splits), and reading it into batches.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use weir_env::Clock;

use crate::{ChangelogMode, ConnectorError, OptionError, dead_letter::DeadLetters};

/// A part of a source that is read in order, with the position to read on from.
///
/// Splits are what checkpoints keep and what a rescale hands around, so `state` must say all that is needed to
/// produce the same rest of the rows on another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Unique within the source and stable: a path, a partition.
    pub id: String,
    /// What to read and from where on: the connector's own words, as JSON.
    pub state: Vec<u8>,
}

/// A validated table to read; made in the control plane (to plan and to find splits) and on workers (to open readers).
#[async_trait]
pub trait SourceFactory: fmt::Debug + Send + Sync {
    /// Whether the rows come to an end.
    fn is_bounded(&self) -> bool;

    /// What its rows do. Of what is not only appended, the schemas of readers and of their batches have one more, last column (see
    /// [`changelog`](crate::changelog)).
    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Append
    }

    /// Whether the thing can be read now: called at submission. Cheap. For instance: the file exists.
    async fn check(&self) -> Result<(), OptionError>;

    /// What there is to read, in the order in which it should be handed out. May be fewer or more than `parallelism`; none is right for an
    /// empty input. Split i goes to subtask i mod parallelism.
    async fn splits(&self, parallelism: u32) -> Result<Vec<Split>, ConnectorError>;

    /// The columns that what is read says to have itself, whatever the table declares; none if it does not say. Asked of a table that
    /// declares none.
    async fn says_columns(&self, clock: Arc<dyn Clock>) -> Result<Option<SchemaRef>, ConnectorError> {
        let _ = clock;
        Ok(None)
    }

    /// A reader that looks at rows of all splits and leaves nothing behind in the other system.
    async fn sample(&self, context: SourceContext) -> Result<Box<dyn Source>, ConnectorError> {
        let splits = self.splits(1).await?;
        self.open(splits, context).await
    }

    /// Whether more splits come to be while it is read, which `splits` then gives too, those of before by the same ids. Readers look for
    /// them ([`SourceEvent::SplitAdded`]), and a job that goes on gets those that its checkpoint does not know.
    fn discovers(&self) -> bool {
        false
    }

    /// A split that `splits` gives, as it is read if it came to be after the job had begun.
    fn found_later(&self, split: Split) -> Split {
        split
    }

    /// Hands over comparisons that all hold for each row that the query keeps. Readers may leave out rows of which one does not hold, as
    /// far as that is cheap; the query filters what they yield.
    fn push_filter(&mut self, comparisons: Vec<Comparison>) {
        let _ = comparisons;
    }

    /// A reader of these splits from their positions on.
    async fn open(
        &self,
        splits: Vec<Split>,
        context: SourceContext,
    ) -> Result<Box<dyn Source>, ConnectorError>;
}

/// A column that is compared to a value: `column operator value`.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The name of a column of the table.
    pub column: String,
    /// What holds between them.
    pub operator: CompareOperator,
    /// The one value of an array of the column's type, not null.
    pub value: ArrayRef,
}

/// What may hold between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOperator {
    /// `=`
    Eq,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
}

/// Which of so many readers a split is for that is found while reading: by its id (FNV-1a), the same in each process.
pub(crate) fn reader_of(id: &str, parallelism: u32) -> u32 {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash % u64::from(parallelism)) as u32
}

/// What a reader needs from the runtime.
#[derive(Clone, Debug)]
pub struct SourceContext {
    /// The columns to produce: a subset of the table's physical columns in the table's order, structs pruned to the
    /// fields that are read. A reader must not decode more than these.
    pub schema: SchemaRef,
    /// Rows to aim at per batch.
    pub batch_rows: usize,
    /// The ids of the splits of all readers, of a source that [discovers](SourceFactory::discovers) more.
    pub known_splits: Arc<[String]>,
    /// Which of `parallelism` readers this is.
    pub subtask: u32,
    /// How many readers there are.
    pub parallelism: u32,
    /// Whether the job takes checkpoints; else nobody says that one is complete.
    pub takes_checkpoints: bool,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Counters that the runtime reports.
    pub counters: Arc<SourceCounters>,
    /// Where records go that cannot be read; none: they fail the job, or are skipped where the format says so.
    pub dead_letters: Option<Arc<DeadLetters>>,
}

/// What a reader counts beside its rows.
#[derive(Debug)]
pub struct SourceCounters {
    skipped_records: AtomicU64,
    /// `u64::MAX`: not known.
    lag: AtomicU64,
}

impl Default for SourceCounters {
    fn default() -> Self {
        Self {
            skipped_records: AtomicU64::new(0),
            lag: AtomicU64::new(u64::MAX),
        }
    }
}

impl SourceCounters {
    /// Counts records that could not be parsed and were skipped, as the table asked.
    pub fn skipped(&self, records: u64) {
        self.skipped_records.fetch_add(records, Ordering::Relaxed);
    }

    /// Records skipped so far.
    pub fn skipped_records(&self) -> u64 {
        self.skipped_records.load(Ordering::Relaxed)
    }

    /// Says how many records wait outside, behind what was read; none: not known.
    pub fn set_lag(&self, records: Option<u64>) {
        self.lag.store(records.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many records wait outside, as last said.
    pub fn lag(&self) -> Option<u64> {
        Some(self.lag.load(Ordering::Relaxed)).filter(|lag| *lag != u64::MAX)
    }
}

/// What a reader yields next.
#[derive(Clone, Debug)]
pub enum SourceEvent {
    /// Rows of one split, in the split's order; the schema is the context's. None, if the position moves past dead letters alone.
    Rows {
        /// Index into the splits that the reader was opened with, and those added.
        split: usize,
        /// The rows.
        batch: RecordBatch,
    },
    /// A split that was not known has been found, and no other reader reads it: its index is the next one.
    SplitAdded {
        /// At its start.
        split: Split,
    },
    /// The split has no more rows, ever.
    SplitEnd {
        /// Index into the splits that the reader was opened with, and those added.
        split: usize,
    },
    /// All splits have ended. Nothing follows.
    End,
}

/// A reader of splits: one per subtask.
#[async_trait]
pub trait Source: Send {
    /// The next event. Cancel-safe: dropping the future loses no rows. CPU work in it should stay below a few milliseconds per call.
    async fn next(&mut self) -> Result<SourceEvent, ConnectorError>;

    /// A checkpoint that has the splits at these positions is complete: rows before them are never asked for again. For systems that show
    /// how far they are read, or keep what is not. What fails in it is said in the log and no failure of the job's.
    async fn on_checkpoint_complete(&mut self, positions: &[Split]) {
        let _ = positions;
    }

    /// The splits at their positions after the last event yielded: opened from these, a reader yields just the rest. They keep
    /// their ids; those that have ended may be left out.
    fn positions(&self) -> Vec<Split>;
}

#[cfg(test)]
pub(crate) mod tests;
