//! Questions with each key once, and a partial cache: the rows of the keys that were asked for last.

use std::{sync::Arc, time::Duration};

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::{interleave::interleave, take::take};
use async_trait::async_trait;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};
use parking_lot::Mutex;
use weir_env::Clock;

use super::{
    Found, Lookup, LookupContext, PartialCache,
    index::{KeyCodec, broken},
};
use crate::ConnectorError;

/// Rows that are gone, and batches of few rows, that are not worth the work of joining what is left.
const SPARE_ROWS: u64 = 16_384;
const SPARE_SEGMENTS: usize = 256;
/// When there are too many rows, one in so many is evicted at once, so that few questions pay for it.
const EVICTED_PART: usize = 16;

/// Asks for each key of a batch once, and not for those whose rows are cached.
#[derive(Debug)]
pub(super) struct Distinct {
    asked: Arc<dyn Lookup>,
    codec: KeyCodec,
    schema: SchemaRef,
    clock: Arc<dyn Clock>,
    cache: Option<Mutex<Entries>>,
}

impl Distinct {
    pub(super) fn new(
        asked: Arc<dyn Lookup>,
        cache: Option<PartialCache>,
        context: &LookupContext,
    ) -> Result<Self, ConnectorError> {
        Ok(Self {
            asked,
            codec: KeyCodec::new(&context.key_types)?,
            schema: Arc::clone(&context.schema),
            clock: Arc::clone(&context.clock),
            cache: cache.map(|settings| Mutex::new(Entries::new(settings, &context.schema))),
        })
    }
}

/// A key of a question: its bytes, and where its rows are in the hits or, behind them, in the answer.
struct Key {
    bytes: Box<[u8]>,
    first: u32,
    rows: (u32, u32),
}

#[async_trait]
impl Lookup for Distinct {
    async fn lookup(&self, keys: &[ArrayRef]) -> Result<Found, ConnectorError> {
        let (mut distinct, of) = self.distinct(keys)?;
        let now = self.clock.elapsed();
        let (hits, missing) = match &self.cache {
            Some(cache) => cache.lock().find(&mut distinct, now)?,
            None => (
                RecordBatch::new_empty(Arc::clone(&self.schema)),
                (0..distinct.len()).collect(),
            ),
        };
        let mut parts = vec![hits];
        if !missing.is_empty() {
            let firsts: UInt32Array = missing.iter().map(|i| distinct[*i].first).collect();
            let asked = keys.iter().map(|key| take(key, &firsts, None));
            let asked = asked.collect::<Result<Vec<_>, _>>().map_err(|e| broken(&e))?;
            let found = self.asked.lookup(&asked).await?;
            let offset = parts[0].num_rows() as u32;
            place(&found, &missing, &mut distinct, offset);
            if let Some(cache) = &self.cache {
                let missing = missing.iter().map(|i| &distinct[*i]);
                cache
                    .lock()
                    .add(&found.rows, missing, offset, self.clock.elapsed())?;
            }
            parts.push(found.rows);
        }
        self.gather(&parts, &distinct, &of)
    }
}

impl Distinct {
    /// The keys of a question, each once, and which of them each row asks for.
    fn distinct(&self, keys: &[ArrayRef]) -> Result<(Vec<Key>, Vec<u32>), ConnectorError> {
        let encoded = self.codec.encode(keys)?;
        let mut table: HashTable<u32> = HashTable::new();
        let mut distinct: Vec<Key> = Vec::new();
        let mut of = Vec::with_capacity(encoded.num_rows());
        for (row, key) in (0_u32..).zip(encoded.iter()) {
            let bytes = key.data();
            let next = distinct.len() as u32;
            let entry = table.entry(
                self.codec.hash(bytes),
                |known| distinct[*known as usize].bytes.as_ref() == bytes,
                |known| self.codec.hash(&distinct[*known as usize].bytes),
            );
            let number = *entry.or_insert(next).get();
            if number == next {
                distinct.push(Key {
                    bytes: bytes.into(),
                    first: row,
                    rows: (0, 0),
                });
            }
            of.push(number);
        }
        Ok((distinct, of))
    }

    /// The rows that each row of the question asks for.
    fn gather(&self, parts: &[RecordBatch], distinct: &[Key], of: &[u32]) -> Result<Found, ConnectorError> {
        let hits = parts[0].num_rows() as u32;
        let (mut places, mut keys) = (Vec::new(), Vec::new());
        for (asker, number) in (0_u32..).zip(of) {
            let (start, end) = distinct[*number as usize].rows;
            for row in start..end {
                places.push(if row < hits {
                    (0, row as usize)
                } else {
                    (1, (row - hits) as usize)
                });
                keys.push(asker);
            }
        }
        let rows = interleaved(&self.schema, &parts.iter().collect::<Vec<_>>(), &places)?;
        Ok(Found { rows, keys })
    }
}

/// Notes where the rows of the keys that were asked for are, behind `offset` others.
fn place(found: &Found, missing: &[usize], distinct: &mut [Key], offset: u32) {
    let mut at = 0;
    for (number, key) in (0_u32..).zip(missing) {
        let count = found.keys[at..].iter().take_while(|of| **of == number).count();
        distinct[*key].rows = (offset + at as u32, offset + (at + count) as u32);
        at += count;
    }
}

fn interleaved(
    schema: &SchemaRef,
    parts: &[&RecordBatch],
    places: &[(usize, usize)],
) -> Result<RecordBatch, ConnectorError> {
    let column = |column: usize| {
        let arrays: Vec<&dyn Array> = parts.iter().map(|part| part.column(column).as_ref()).collect();
        interleave(&arrays, places)
    };
    let columns = (0..schema.fields().len()).map(column);
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(|e| broken(&e))?;
    let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(|e| broken(&e))
}

/// Answers that are kept, the rows of many in one batch.
#[derive(Debug)]
struct Entries {
    settings: PartialCache,
    schema: SchemaRef,
    by_key: HashMap<Box<[u8]>, Entry, FixedState>,
    segments: Vec<RecordBatch>,
    /// Rows of entries, and all rows of segments.
    live_rows: u64,
    stored_rows: u64,
    /// What `max-rows` counts.
    weight: u64,
    swept: Duration,
}

/// The rows of one key.
#[derive(Clone, Copy, Debug)]
struct Entry {
    segment: u32,
    start: u32,
    end: u32,
    written: Duration,
    used: Duration,
}

impl Entry {
    fn rows(&self) -> u64 {
        u64::from(self.end - self.start)
    }

    fn weight(&self) -> u64 {
        self.rows().max(1)
    }

    fn has_expired(&self, settings: &PartialCache, now: Duration) -> bool {
        let over = |since: Duration, after: Option<Duration>| after.is_some_and(|after| now >= since + after);
        over(self.written, settings.expire_after_write) || over(self.used, settings.expire_after_access)
    }
}

impl Entries {
    fn new(settings: PartialCache, schema: &SchemaRef) -> Self {
        Self {
            settings,
            schema: Arc::clone(schema),
            by_key: HashMap::with_hasher(FixedState::with_seed(0)),
            segments: Vec::new(),
            live_rows: 0,
            stored_rows: 0,
            weight: 0,
            swept: Duration::ZERO,
        }
    }

    /// The rows of the keys that are cached, whose places are noted, and the keys that are not.
    fn find(&mut self, keys: &mut [Key], now: Duration) -> Result<(RecordBatch, Vec<usize>), ConnectorError> {
        let (mut places, mut missing) = (Vec::new(), Vec::new());
        let mut parts: Vec<u32> = Vec::new();
        let mut part_of: HashMap<u32, usize, FixedState> = HashMap::with_hasher(FixedState::with_seed(0));
        for (number, key) in keys.iter_mut().enumerate() {
            match self.by_key.get_mut(&key.bytes) {
                Some(entry) if !entry.has_expired(&self.settings, now) => {
                    entry.used = now;
                    let start = places.len() as u32;
                    if entry.rows() > 0 {
                        let part = *part_of.entry(entry.segment).or_insert_with(|| {
                            parts.push(entry.segment);
                            parts.len() - 1
                        });
                        places.extend((entry.start..entry.end).map(|row| (part, row as usize)));
                    }
                    key.rows = (start, places.len() as u32);
                }
                _ => missing.push(number),
            }
        }
        let parts: Vec<&RecordBatch> = parts.iter().map(|p| &self.segments[*p as usize]).collect();
        if parts.is_empty() {
            return Ok((RecordBatch::new_empty(Arc::clone(&self.schema)), missing));
        }
        Ok((interleaved(&self.schema, &parts, &places)?, missing))
    }

    /// Keeps the rows of keys, whose places begin at `offset`.
    fn add<'a>(
        &mut self,
        rows: &RecordBatch,
        keys: impl Iterator<Item = &'a Key>,
        offset: u32,
        now: Duration,
    ) -> Result<(), ConnectorError> {
        let segment = self.segments.len() as u32;
        for key in keys {
            let entry = Entry {
                segment,
                start: key.rows.0 - offset,
                end: key.rows.1 - offset,
                written: now,
                used: now,
            };
            if entry.rows() == 0 && !self.settings.caches_missing {
                continue;
            }
            self.live_rows += entry.rows();
            self.weight += entry.weight();
            if let Some(old) = self.by_key.insert(key.bytes.clone(), entry) {
                self.live_rows -= old.rows();
                self.weight -= old.weight();
            }
        }
        self.stored_rows += rows.num_rows() as u64;
        self.segments.push(rows.clone());
        self.evict();
        self.sweep(now);
        self.tidy()
    }

    /// Drops the answers that were used longest ago, when there are too many.
    fn evict(&mut self) {
        let Some(max) = self.settings.max_rows.filter(|max| self.weight > *max) else {
            return;
        };
        let goal = max - max / EVICTED_PART as u64;
        let mut by_use: Vec<(Duration, u64)> = self.by_key.values().map(|e| (e.used, e.weight())).collect();
        by_use.sort_unstable();
        let mut left = self.weight;
        let mut last = Duration::ZERO;
        let mut spare_of_last = 0_u64;
        for (used, weight) in by_use {
            if left <= goal {
                break;
            }
            if used != last {
                spare_of_last = 0;
            }
            spare_of_last += weight;
            last = used;
            left -= weight;
        }
        // Of those that were used together last, only as many as need be.
        let (live, total) = (&mut self.live_rows, &mut self.weight);
        self.by_key.retain(|_, entry| {
            let goes = entry.used < last || (entry.used == last && spare_of_last > 0);
            if goes {
                if entry.used == last {
                    spare_of_last = spare_of_last.saturating_sub(entry.weight());
                }
                *live -= entry.rows();
                *total -= entry.weight();
            }
            !goes
        });
    }

    /// Drops what has expired, now and then: nobody may ask for it any more.
    fn sweep(&mut self, now: Duration) {
        let settings = self.settings;
        let bounds = [settings.expire_after_write, settings.expire_after_access];
        let Some(shortest) = bounds.into_iter().flatten().min() else {
            return;
        };
        if now < self.swept + shortest {
            return;
        }
        self.swept = now;
        let (live, total) = (&mut self.live_rows, &mut self.weight);
        self.by_key.retain(|_, entry| {
            let goes = entry.has_expired(&settings, now);
            if goes {
                *live -= entry.rows();
                *total -= entry.weight();
            }
            !goes
        });
    }

    /// Joins what is left when most rows are gone, or segments are many.
    fn tidy(&mut self) -> Result<(), ConnectorError> {
        let is_sparse = self.stored_rows > 2 * self.live_rows + SPARE_ROWS;
        if !is_sparse && self.segments.len() <= SPARE_SEGMENTS {
            return Ok(());
        }
        let mut places = Vec::with_capacity(self.live_rows as usize);
        for entry in self.by_key.values_mut() {
            let start = places.len() as u32;
            places.extend((entry.start..entry.end).map(|row| (entry.segment as usize, row as usize)));
            *entry = Entry {
                segment: 0,
                start,
                end: places.len() as u32,
                ..*entry
            };
        }
        let joined = interleaved(&self.schema, &self.segments.iter().collect::<Vec<_>>(), &places)?;
        self.segments = vec![joined];
        self.stored_rows = self.live_rows;
        Ok(())
    }
}
