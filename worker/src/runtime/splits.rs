//! The splits of a source subtask as checkpoints keep them.

use weir_checkpoint::manifest::{OperatorState, SplitState};
use weir_connector::{Source, Split};
use weir_model::{EventTime, Failure};

use crate::operator::source::SourceStage;

/// What a source subtask reads, and has read to the end.
#[derive(Debug, Default)]
pub struct Splits {
    /// By the index under which the reader knows them.
    read: Vec<Reading>,
    /// Those that had ended before this deployment.
    ended: Vec<SplitState>,
}

#[derive(Debug)]
struct Reading {
    split: Split,
    has_ended: bool,
    /// Where its event time had come when it was last read.
    watermark: Option<EventTime>,
}

impl Splits {
    /// These, of which some were read before.
    pub fn new<'a>(splits: Vec<Split>, before: impl Iterator<Item = &'a OperatorState>) -> Self {
        let known: Vec<&SplitState> = before.flat_map(|operator| &operator.splits).collect();
        let find = |id: &str| known.iter().find(|split| split.id == id).copied();
        let (ended, unended): (Vec<_>, Vec<_>) = splits
            .into_iter()
            .partition(|split| find(&split.id).is_some_and(|known| known.ended));
        let reading = |split: Split| Reading {
            watermark: find(&split.id).and_then(|known| known.watermark_ms.map(EventTime)),
            has_ended: false,
            split,
        };
        // Connectors need not list what has ended.
        let listed = |id: &str| ended.iter().any(|split| split.id == id);
        let unlisted = known.iter().filter(|known| known.ended && !listed(&known.id));
        let mut all_ended: Vec<SplitState> = ended
            .iter()
            .filter_map(|split| find(&split.id).cloned())
            .collect();
        all_ended.extend(unlisted.map(|known| (*known).clone()));
        Self {
            read: unended.into_iter().map(reading).collect(),
            ended: all_ended,
        }
    }

    /// What the reader is to read.
    pub fn to_read(&self) -> Vec<Split> {
        self.read.iter().map(|reading| reading.split.clone()).collect()
    }

    /// Lets event time go on where it was.
    pub fn restore(&self, stage: &mut SourceStage) {
        let watermarks = self.read.iter().map(|reading| reading.watermark);
        stage.restore(watermarks);
    }

    /// A split was found while reading.
    pub fn add(&mut self, split: Split) {
        self.read.push(Reading {
            split,
            has_ended: false,
            watermark: None,
        });
    }

    /// A split has no more rows.
    pub fn on_end(&mut self, split: usize) {
        self.read[split].has_ended = true;
    }

    /// All of them, as far as the reader and the stage have come.
    pub fn state(&self, source: &dyn Source, stage: &SourceStage) -> Result<Vec<SplitState>, Failure> {
        let positions = source.positions();
        let mut states = self.ended.clone();
        for (index, reading) in self.read.iter().enumerate() {
            let id = &reading.split.id;
            let position = positions.iter().find(|split| split.id == *id);
            let state = match position {
                Some(position) => position.state.clone(),
                // There may be very many of them, and nobody reads them again.
                None if reading.has_ended => Vec::new(),
                None => {
                    return Err(Failure::internal(format!(
                        "a reader does not say how far it is in '{id}'"
                    )));
                }
            };
            let state = String::from_utf8(state)
                .map_err(|_| Failure::internal(format!("the position in '{id}' is not text")))?;
            states.push(SplitState {
                id: id.clone(),
                state,
                ended: reading.has_ended,
                watermark_ms: stage.split_watermark(index).map(|time| time.0),
            });
        }
        Ok(states)
    }
}
