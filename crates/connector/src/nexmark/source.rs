//! Splits, and reading them.
//!
//! Split i of p takes every p-th block of events from block i on, so that all splits move through event time together.

use std::{future, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use weir_env::Clock;

use super::{config::Config, generator::Generator, pace::Pace};
use crate::{ConnectorError, OptionError, Source, SourceContext, SourceEvent, SourceFactory, Split};

/// About as many events are in a block, and at most so many in a batch.
const BLOCK_EVENTS: u64 = 4_096;
const MOST_BATCH_EVENTS: u64 = 16_384;
/// When the rate is limited, a block lasts about this long and events wait for each other up to `LINGER`.
const BLOCKS_PER_SECOND: u64 = 50;
const LINGER: Duration = Duration::from_millis(10);

/// A validated table.
#[derive(Debug)]
pub(super) struct Factory {
    config: Arc<Config>,
}

impl Factory {
    pub(super) fn new(config: Arc<Config>) -> Self {
        Self { config }
    }

    /// How many events are in a block: whole cycles if that is not too many, for then all batches have the same nulls.
    fn block_events(&self, parallelism: u64) -> u64 {
        let mut events = BLOCK_EVENTS;
        if let Some(end) = self.config.end {
            events = events.min(end / (parallelism * 4));
        }
        if self.config.rate_limited {
            events = events.min(self.config.pace.slowest_per_second() / BLOCKS_PER_SECOND);
        }
        match events - events % self.config.cycle.len() {
            0 => events.max(1),
            whole => whole,
        }
    }
}

#[async_trait]
impl SourceFactory for Factory {
    fn is_bounded(&self) -> bool {
        self.config.end.is_some() && !self.config.keep_alive
    }

    async fn check(&self) -> Result<(), OptionError> {
        Ok(())
    }

    async fn splits(&self, parallelism: u32) -> Result<Vec<Split>, ConnectorError> {
        let parallelism = u64::from(parallelism.max(1));
        let block = self.block_events(parallelism);
        let split = |index| {
            let position = Position {
                next: index * block,
                block,
                stride: parallelism * block,
            };
            position.split(format!("{index}-of-{parallelism}"))
        };
        Ok((0..parallelism).map(split).collect())
    }

    async fn open(
        &self,
        splits: Vec<Split>,
        context: SourceContext,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        let readings = splits
            .into_iter()
            .map(Reading::new)
            .collect::<Result<Vec<_>, _>>()?;
        let round_start = |reading: &Reading| reading.at.next - reading.at.next % reading.at.stride;
        let limit = self.config.rate_limited.then(|| Limit {
            start: context.clock.elapsed(),
            from_ms: self
                .config
                .pace
                .offset_ms(readings.iter().map(round_start).min().unwrap_or_default()),
            clock: context.clock.clone(),
        });
        Ok(Box::new(Reader {
            generator: Generator::new(self.config.clone(), context.schema)?,
            batch_events: (context.batch_rows as u64).clamp(1, MOST_BATCH_EVENTS),
            config: self.config.clone(),
            readings,
            limit,
        }))
    }
}

/// Where a split is: its state. What the events are, and how many, the table's options say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// The next event, always one of the split's own.
    next: u64,
    /// Events in a block.
    block: u64,
    /// Events from the start of a block to the start of the split's next.
    stride: u64,
}

impl Position {
    fn parse(state: &[u8]) -> Result<Self, ConnectorError> {
        let position: Self = serde_json::from_slice(state).map_err(|error| {
            ConnectorError::internal(format!("the state of a nexmark split is not known: {error}"))
        })?;
        match position {
            Self {
                block: 1.., stride, ..
            } if stride >= position.block && stride.is_multiple_of(position.block) => Ok(position),
            _ => Err(ConnectorError::internal(
                "the state of a nexmark split has no blocks of events",
            )),
        }
    }

    fn split(&self, id: String) -> Split {
        Split {
            id,
            state: serde_json::to_vec(self).expect("three numbers are always JSON"),
        }
    }

    /// Where a batch of about so many events ends: in the same block, with a cycle if possible.
    fn batch_end(&self, events: u64, cycle: u64) -> u64 {
        let block_end = if self.stride == self.block {
            u64::MAX
        } else {
            self.next - self.next % self.block + self.block
        };
        let end = (self.next + events).min(block_end);
        match end - end % cycle {
            whole if whole > self.next => whole,
            _ => end,
        }
    }

    fn advance(&mut self, end: u64) {
        self.next = end;
        if end.is_multiple_of(self.block) {
            self.next += self.stride - self.block;
        }
    }
}

#[derive(Clone, Debug)]
struct Reading {
    id: String,
    at: Position,
    ended: bool,
}

impl Reading {
    fn new(split: Split) -> Result<Self, ConnectorError> {
        Ok(Self {
            at: Position::parse(&split.state)?,
            id: split.id,
            ended: false,
        })
    }
}

#[derive(Debug)]
struct Reader {
    config: Arc<Config>,
    generator: Generator,
    readings: Vec<Reading>,
    batch_events: u64,
    limit: Option<Limit>,
}

impl Reader {
    /// The open split that is behind all others.
    fn earliest(&self) -> Option<usize> {
        let open = (0..self.readings.len()).filter(|index| !self.readings[*index].ended);
        open.min_by_key(|index| self.readings[*index].at.next)
    }
}

#[async_trait]
impl Source for Reader {
    async fn next(&mut self) -> Result<SourceEvent, ConnectorError> {
        let end = self.config.end.unwrap_or(u64::MAX);
        let Some(split) = self.earliest() else {
            return Ok(SourceEvent::End);
        };
        let at = self.readings[split].at;
        if at.next >= end {
            if self.config.keep_alive {
                future::pending::<()>().await;
            }
            self.readings[split].ended = true;
            return Ok(SourceEvent::SplitEnd { split });
        }
        let mut until = at.batch_end(self.batch_events, self.config.cycle.len()).min(end);
        if let Some(limit) = &self.limit {
            until = limit.due(&self.config.pace, at.next, until).await;
        }
        let batch = self.generator.batch(at.next, (until - at.next) as usize)?;
        self.readings[split].at.advance(until);
        Ok(SourceEvent::Rows { split, batch })
    }

    fn positions(&self) -> Vec<Split> {
        self.readings
            .iter()
            .map(|reading| reading.at.split(reading.id.clone()))
            .collect()
    }
}

/// Holds events back until their time has come. After a restore it goes on from there; it does not catch up.
#[derive(Debug)]
struct Limit {
    clock: Arc<dyn Clock>,
    /// The clock's time at which events happen that are `from_ms` after event 0.
    start: Duration,
    from_ms: u64,
}

impl Limit {
    /// Waits for some of the events from `next` on; returns where those that are due, all before `end`, end.
    async fn due(&self, pace: &Pace, next: u64, end: u64) -> u64 {
        let at = |n| self.start + Duration::from_millis(pace.offset_ms(n).saturating_sub(self.from_ms));
        let ready = at(end - 1).min(at(next) + LINGER);
        loop {
            let now = self.clock.elapsed();
            if now >= ready {
                return first_after(next, end, |n| at(n) > now).max(next + 1);
            }
            self.clock.sleep(ready.saturating_sub(now)).await;
        }
    }
}

/// The first number from which on the predicate holds, at most `end`.
fn first_after(start: u64, end: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (start, end);
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}
