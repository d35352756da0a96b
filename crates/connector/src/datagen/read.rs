//! The source: rows in turn over the subtasks, paced by the clock.

use std::{sync::Arc, time::Duration};

use arrow_array::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Datagen, OPTIONS, field::Generator, generators};
use crate::{
    Connector, ConnectorError, OptionError, Source, SourceContext, SourceEvent, SourceFactory, Split,
    options::{Checked, Options},
};

/// Rows are handed out in batches of this much time, so that they flow evenly.
const BATCHES_PER_SECOND: u64 = 20;

/// A batch is made to take about this much memory at most.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// A checked table of made-up rows.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    pub(super) options: Options,
    pub(super) seed: i64,
    pub(super) rows_per_second: u64,
    /// None: without end.
    pub(super) rows: Option<u64>,
}

/// Every `step`-th row from `next` on, up to `end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    next: u64,
    step: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<u64>,
}

impl State {
    /// How many rows are left.
    fn left(&self) -> u64 {
        self.end
            .map_or(u64::MAX, |end| end.saturating_sub(self.next).div_ceil(self.step))
    }
}

#[async_trait]
impl SourceFactory for Factory {
    fn is_bounded(&self) -> bool {
        self.rows.is_some()
    }

    async fn check(&self) -> Result<(), OptionError> {
        Ok(())
    }

    async fn splits(&self, parallelism: u32) -> Result<Vec<Split>, ConnectorError> {
        let step = u64::from(parallelism.max(1));
        let states = (0..step).map(|first| State {
            next: first,
            step,
            end: self.rows,
        });
        Ok(states
            .filter(|state| state.left() > 0)
            .map(|state| to_split(&format!("{}/{step}", state.next), &state))
            .collect())
    }

    async fn open(
        &self,
        splits: Vec<Split>,
        context: SourceContext,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        let generators = Checked::new(Datagen.name(), OPTIONS, &self.options)
            .and_then(|options| generators(&context.schema, &options, self.seed))
            .map_err(|error| ConnectorError::internal(format!("a checked table is refused: {error}")))?;
        let started = context.clock.elapsed();
        let parts = splits
            .into_iter()
            .enumerate()
            .map(|(index, split)| Part::new(index, split))
            .collect::<Result<_, _>>()?;
        Ok(Box::new(Reader {
            parts,
            generators,
            rows_per_second: self.rows_per_second,
            started,
            context,
        }))
    }
}

fn to_split(id: &str, state: &State) -> Split {
    Split {
        id: id.to_owned(),
        state: serde_json::to_vec(state).expect("numbers can be written as JSON"),
    }
}

/// A split that is being read.
#[derive(Clone, Debug)]
struct Part {
    index: usize,
    id: String,
    state: State,
    /// Rows handed out since the reader was opened.
    emitted: u64,
}

impl Part {
    fn new(index: usize, split: Split) -> Result<Self, ConnectorError> {
        let state: State = serde_json::from_slice(&split.state).map_err(|error| {
            ConnectorError::internal(format!(
                "the state of split '{}' cannot be read: {error}",
                split.id
            ))
        })?;
        if state.step == 0 {
            return Err(ConnectorError::internal(format!(
                "the state of split '{}' has a step of 0",
                split.id
            )));
        }
        Ok(Self {
            index,
            id: split.id,
            state,
            emitted: 0,
        })
    }
}

struct Reader {
    /// Those that have not ended.
    parts: Vec<Part>,
    generators: Vec<Generator>,
    rows_per_second: u64,
    /// When row 0 since the opening was due.
    started: Duration,
    context: SourceContext,
}

impl Reader {
    /// How long after the start the n-th row of a split is due. The rate is the whole source's; a split has a step-th of it.
    fn due(&self, nth: u64, step: u64) -> Duration {
        let nanos = u128::from(nth) * u128::from(step) * 1_000_000_000 / u128::from(self.rows_per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many rows of a split are due so long after the start.
    fn due_rows(&self, elapsed: Duration, step: u64) -> u64 {
        let rows = elapsed.as_nanos() * u128::from(self.rows_per_second) / 1_000_000_000 / u128::from(step);
        u64::try_from(rows).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn batch(&mut self, part: usize, rows: u64) -> Result<SourceEvent, ConnectorError> {
        let Part { index, state, .. } = &self.parts[part];
        let numbers: Vec<_> = (0..rows).map(|nth| state.next + nth * state.step).collect();
        let now_ms = self.context.clock.now_ms();
        let options = RecordBatchOptions::new().with_row_count(Some(numbers.len()));
        let columns = self
            .generators
            .iter()
            .map(|generator| generator.column(&numbers, now_ms))
            .collect::<Result<_, _>>();
        let batch = columns
            .and_then(|columns| {
                RecordBatch::try_new_with_options(Arc::clone(&self.context.schema), columns, &options)
            })
            .map_err(|error| {
                ConnectorError::internal(format!("made-up columns do not make a batch: {error}"))
            })?;
        let event = SourceEvent::Rows { split: *index, batch };
        let part = &mut self.parts[part];
        part.state.next += rows * part.state.step;
        part.emitted += rows;
        Ok(event)
    }
}

#[async_trait]
impl Source for Reader {
    async fn next(&mut self) -> Result<SourceEvent, ConnectorError> {
        // The split that is most behind comes next, so that all keep their rate.
        let Some((at, part)) = self.parts.iter().enumerate().min_by_key(|(_, part)| part.emitted) else {
            return Ok(SourceEvent::End);
        };
        let (left, step, emitted) = (part.state.left(), part.state.step, part.emitted);
        if left == 0 {
            return Ok(SourceEvent::SplitEnd {
                split: self.parts.remove(at).index,
            });
        }
        let row_bytes: usize = self.generators.iter().map(Generator::row_bytes).sum();
        let most = self
            .context
            .batch_rows
            .min(MAX_BATCH_BYTES / row_bytes.max(1))
            .max(1) as u64;
        let wanted = (self.rows_per_second / step / BATCHES_PER_SECOND)
            .clamp(1, most)
            .min(left);
        let due = self.due(emitted + wanted - 1, step);
        loop {
            let elapsed = self.context.clock.elapsed().saturating_sub(self.started);
            let rows = self.due_rows(elapsed, step).saturating_sub(emitted).min(left);
            if rows >= wanted {
                return self.batch(at, rows.min(most));
            }
            self.context
                .clock
                .sleep((due.saturating_sub(elapsed)).max(Duration::from_micros(100)))
                .await;
        }
    }

    fn positions(&self) -> Vec<Split> {
        self.parts
            .iter()
            .map(|part| to_split(&part.id, &part.state))
            .collect()
    }
}
