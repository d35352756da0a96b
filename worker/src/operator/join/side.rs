//! The rows of one input, found by the group of their key.

mod snapshot;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::{concat::concat_batches, interleave::interleave};
use weir_model::Failure;

use super::{rows_back::RowsBack, told::Told};
use crate::{operator::ttl::Ttl, state::numbered::NumberedRows};

/// No row, or no group.
pub(super) const NONE: u32 = u32::MAX;
/// Batches are joined up to this many rows, so that few arrays are looked into.
const SEGMENT_ROWS: usize = 1 << 18;
/// Rows taken back before their memory is.
const DEAD_ROWS: usize = 1 << 16;

/// Rows with the same key hang together; a row is a number, in the order of arrival.
#[derive(Debug)]
pub(super) struct Side {
    schema: SchemaRef,
    layout: NumberedRows,
    segments: Vec<RecordBatch>,
    /// The number of the first row of each segment.
    starts: Vec<u32>,
    /// The last row of each group.
    heads: Vec<u32>,
    /// The row before, of the same group.
    next: Vec<u32>,
    /// The group of each row; none: it was taken back.
    groups: Vec<u32>,
    /// How many rows of the other side each row matches, if that is counted.
    matches: Option<Vec<u32>>,
    rows_back: Option<RowsBack>,
    dead: usize,
    /// What the last snapshot knows of the rows, if any was taken.
    told: Option<Told>,
    /// When rows go that nothing writes; none: never.
    ttl: Option<Ttl>,
    /// The time of the call at hand, ms since 1970, if rows go.
    now_ms: i64,
}

impl Side {
    /// No rows of these columns, with the key's among them. Matches are counted if a row without any matters; rows can be taken back if the input changes.
    /// Rows go so long after they were last written, ms; 0: never.
    pub(super) fn new(
        schema: SchemaRef,
        keys: &[usize],
        counts_matches: bool,
        takes_back: bool,
        ttl_ms: u64,
    ) -> Result<Self, Failure> {
        let rows_back = takes_back.then(|| RowsBack::new(&schema)).transpose()?;
        Ok(Self {
            layout: NumberedRows::new(&schema, schema.fields().len(), keys),
            schema,
            segments: Vec::new(),
            starts: Vec::new(),
            heads: Vec::new(),
            next: Vec::new(),
            groups: Vec::new(),
            matches: counts_matches.then(Vec::new),
            rows_back,
            dead: 0,
            told: None,
            ttl: Ttl::new(ttl_ms),
            now_ms: 0,
        })
    }

    /// Whether rows go with time.
    pub(super) fn expires(&self) -> bool {
        self.ttl.is_some()
    }

    /// When rows go, ms since 1970.
    pub(super) fn timer_ms(&self) -> Option<i64> {
        self.ttl.as_ref()?.timer_ms()
    }

    /// Tells it the time, ms since 1970.
    pub(super) fn set_now(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
    }

    /// What is kept with rows is written, which begins their time anew.
    pub(super) fn write(&mut self, rows: &[u32]) {
        if let Some(told) = &mut self.told {
            told.wrote(rows);
        }
        if let Some(ttl) = &mut self.ttl {
            ttl.write(rows.iter().copied(), self.now_ms);
        }
    }

    /// Lets rows go whose time is over.
    pub(super) fn sweep(&mut self) {
        let due = self.ttl.as_mut().map(|ttl| ttl.due(self.now_ms));
        due.into_iter().flatten().for_each(|row| self.forget(row));
    }

    /// Whether a row that hangs with those of its key has neither gone nor its time over.
    #[inline]
    pub(super) fn is_live(&self, row: u32) -> bool {
        let ttl = self.ttl.as_ref();
        ttl.is_none_or(|ttl| self.is_kept(row) && !ttl.is_over(row, self.now_ms))
    }

    /// Makes room for so many groups.
    pub(super) fn reserve_groups(&mut self, total: usize) {
        if self.heads.len() < total {
            self.heads.resize(total, NONE);
        }
    }

    /// The rows of a group, the last one first.
    #[inline]
    pub(super) fn rows(&self, group: u32) -> impl Iterator<Item = u32> + '_ {
        let mut at = self.heads.get(group as usize).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let row = at;
            if row == NONE {
                return None;
            }
            at = self.next[row as usize];
            Some(row)
        })
    }

    /// How many rows each row matches, if that is counted.
    pub(super) fn matches_mut(&mut self) -> Option<&mut Vec<u32>> {
        self.matches.as_mut()
    }

    /// Adds rows of these groups, with how many rows each matches.
    pub(super) fn insert(
        &mut self,
        batch: RecordBatch,
        groups: &[u32],
        matches: &[u32],
    ) -> Result<(), Failure> {
        if groups.is_empty() {
            return Ok(());
        }
        let first = self.groups.len() as u32;
        self.append(batch, groups, matches)?;
        if let Some(told) = &mut self.told {
            told.added(groups.len());
        }
        if let Some(ttl) = &mut self.ttl {
            ttl.write(first..self.groups.len() as u32, self.now_ms);
        }
        Ok(())
    }

    /// Hangs rows behind all others.
    fn append(&mut self, batch: RecordBatch, groups: &[u32], matches: &[u32]) -> Result<(), Failure> {
        let first = self.groups.len() as u32;
        assert!(
            self.groups.len() + groups.len() < NONE as usize,
            "a side of a join holds fewer than 2^32 - 1 rows"
        );
        for (row, &group) in (first..).zip(groups) {
            self.next.push(self.heads[group as usize]);
            self.heads[group as usize] = row;
        }
        self.groups.extend_from_slice(groups);
        if let Some(counts) = &mut self.matches {
            counts.extend_from_slice(matches);
        }
        if let Some(back) = &mut self.rows_back {
            back.add(&batch)?;
        }
        self.starts.push(first);
        self.segments.push(batch);
        self.merge_segments()
    }

    /// Joins the last segments while they are of like size.
    fn merge_segments(&mut self) -> Result<(), Failure> {
        while let [.., a, b] = self.segments.as_slice()
            && a.num_rows() <= 2 * b.num_rows()
            && a.num_rows() + b.num_rows() <= SEGMENT_ROWS
        {
            let joined = concat_batches(&self.schema, [a, b]).map_err(|e| broken(&e))?;
            self.segments.truncate(self.segments.len() - 2);
            self.segments.push(joined);
            self.starts.pop();
        }
        Ok(())
    }

    /// Takes one row back per row of the batch; those that are not there are left out.
    pub(super) fn remove(&mut self, batch: &RecordBatch, groups: &[u32]) -> Result<(), Failure> {
        let Some(back) = &self.rows_back else {
            return Err(Failure::internal(
                "rows of a join's input are taken back that was planned to only grow",
            ));
        };
        let hashes = back.hashes_of(batch)?;
        for (hash, &group) in hashes.into_iter().zip(groups) {
            self.unlink(hash, group);
        }
        Ok(())
    }

    fn unlink(&mut self, hash: u64, group: u32) {
        let Some(back) = &self.rows_back else { return };
        let mut before = NONE;
        let mut at = self.heads[group as usize];
        while at != NONE {
            let next = self.next[at as usize];
            if back.hash(at) == hash && self.groups[at as usize] != NONE {
                if before == NONE {
                    self.heads[group as usize] = next;
                } else {
                    self.next[before as usize] = next;
                }
                self.forget(at);
                return;
            }
            before = at;
            at = next;
        }
    }

    /// Whether a row is there.
    #[inline]
    pub(super) fn is_kept(&self, row: u32) -> bool {
        self.groups[row as usize] != NONE
    }

    /// Lets a row go, which hangs with those of its key until the side is compacted.
    pub(super) fn forget(&mut self, row: u32) {
        let group = std::mem::replace(&mut self.groups[row as usize], NONE);
        if group == NONE {
            return;
        }
        self.dead += 1;
        if let Some(told) = &mut self.told {
            told.lost(row);
        }
    }

    /// Whether so many rows are gone that their memory is worth having back.
    pub(super) fn is_sparse(&self) -> bool {
        self.dead >= DEAD_ROWS && self.dead * 2 >= self.groups.len()
    }

    /// How many rows are gone whose memory is not.
    pub(super) fn dead(&self) -> usize {
        self.dead
    }

    /// How many rows it holds memory for.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// Marks the groups that rows are of.
    pub(super) fn mark_groups(&self, live: &mut [bool]) {
        for &group in self.groups.iter().filter(|group| **group != NONE) {
            live[group as usize] = true;
        }
    }

    /// Gives groups other numbers, of which there are so many.
    pub(super) fn rename_groups(&mut self, names: &[u32], total: usize) {
        self.heads = vec![NONE; total];
        for (row, (group, next)) in (0_u32..).zip(self.groups.iter_mut().zip(&mut self.next)) {
            if *group != NONE {
                *group = names[*group as usize];
                *next = std::mem::replace(&mut self.heads[*group as usize], row);
            }
        }
    }

    /// Gives back the memory of rows that were taken back; returns the old numbers of those that are left, in their order.
    pub(super) fn compact(&mut self) -> Result<Vec<u32>, Failure> {
        let live: Vec<u32> = (0_u32..)
            .zip(&self.groups)
            .filter(|(_, group)| **group != NONE)
            .map(|(row, _)| row)
            .collect();
        self.keep(&live)?;
        Ok(live)
    }

    /// Keeps some rows alone, in this order.
    fn keep(&mut self, rows: &[u32]) -> Result<(), Failure> {
        let forgotten = self.gone()?;
        let parts = rows.chunks(SEGMENT_ROWS).map(|rows| self.batch(rows));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let groups: Vec<u32> = rows.iter().map(|&row| self.groups[row as usize]).collect();
        let counts = self.matches.as_ref();
        let count = |&row: &u32| counts.map_or(0, |counts| counts[row as usize]);
        let matches: Vec<u32> = rows.iter().map(count).collect();
        self.clear();
        let (groups, matches) = (groups.chunks(SEGMENT_ROWS), matches.chunks(SEGMENT_ROWS));
        for ((batch, groups), matches) in parts.into_iter().zip(groups).zip(matches) {
            self.append(batch, groups, matches)?;
        }
        if let Some(told) = &mut self.told {
            told.keep(rows, forgotten);
        }
        if let Some(ttl) = &mut self.ttl {
            ttl.keep(rows);
        }
        Ok(())
    }

    /// Drops the rows, and nothing of when they were written and told of.
    fn clear(&mut self) {
        self.heads.fill(NONE);
        self.segments.clear();
        self.starts.clear();
        self.next.clear();
        self.groups.clear();
        if let Some(counts) = &mut self.matches {
            counts.clear();
        }
        if let Some(back) = &mut self.rows_back {
            back.clear();
        }
        self.dead = 0;
    }

    /// Some rows.
    fn batch(&self, rows: &[u32]) -> Result<RecordBatch, Failure> {
        let columns = (0..self.schema.fields().len()).map(|column| self.column(column, rows));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), columns, &options)
            .map_err(|e| broken(&e))
    }

    /// A column of some rows; null for [`NONE`].
    pub(super) fn column(&self, column: usize, rows: &[u32]) -> Result<ArrayRef, Failure> {
        let none = arrow_array::new_null_array(self.schema.field(column).data_type(), 1);
        let mut arrays: Vec<&dyn Array> = self.segments.iter().map(|s| s.column(column).as_ref()).collect();
        let nowhere = (arrays.len(), 0);
        arrays.push(none.as_ref());
        let place = |&row: &u32| {
            if row == NONE {
                return nowhere;
            }
            let segment = self.starts.partition_point(|start| *start <= row) - 1;
            (segment, (row - self.starts[segment]) as usize)
        };
        let places: Vec<(usize, usize)> = rows.iter().map(place).collect();
        interleave(&arrays, &places).map_err(|e| broken(&e))
    }
}

fn broken(error: &ArrowError) -> Failure {
    Failure::internal(format!("the rows of a join cannot be kept: {error}"))
}
