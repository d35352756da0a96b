//! The operator whose rows may be taken back, and may be in any order: it keeps them all, and emits how results change, once a batch.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int8Array, RecordBatch, new_empty_array};
use arrow_schema::{ArrowError, SchemaRef};
use weir_connector::{
    RowKind,
    changelog::{self, adds},
};
use weir_model::{EventTime, Failure};

use super::{
    by_key::ByKey,
    call::functions,
    changes::{Affected, Changes, outdated},
    frame::Reach,
    rows::{Rows, Segment},
    sorted::{Changed, Edits, TimeKey},
    spec::Spec,
    state::{Changing, Entry},
};
use crate::{
    operator::{
        Context, Operator,
        rank::{
            changelog::Fresh,
            order::{Keys, Order},
            rows::FRESH,
        },
    },
    state::{Scope, Snapshot, Table},
};

/// Computes functions over rows that change.
#[derive(Debug)]
pub(super) struct ChangingOver<O: Order> {
    spec: Spec,
    input: SchemaRef,
    order: O,
    state: Changing<<O::Keys as Keys>::Key>,
}

/// The rows of a batch.
struct Batch<'a, K> {
    keys: &'a K,
    ops: Option<&'a Int8Array>,
    hashes: Vec<u128>,
    /// The number of the first one.
    first: i64,
}

impl<O: Order> ChangingOver<O>
where
    <O::Keys as Keys>::Key: TimeKey,
{
    pub(super) fn new(spec: Spec, order: O, input: &SchemaRef) -> Result<Self, Failure> {
        if !changelog::is_changelog(&spec.output) {
            return Err(Failure::internal(
                "results of rows that change are planned to only grow",
            ));
        }
        Ok(Self {
            state: Changing::new(&spec, input)?,
            spec,
            input: Arc::clone(input),
            order,
        })
    }

    /// Changes the rows of the keys of a batch; returns the rows whose results are wanted, with those that their frames reach.
    fn edit(
        &mut self,
        by_key: &ByKey,
        batch: &Batch<'_, O::Keys>,
    ) -> Result<(Affected, Rows, Vec<u32>), Failure> {
        let mut affected = Affected::default();
        let mut rows = Rows {
            columns: Vec::new(),
            segments: Vec::new(),
            ties: Vec::new(),
            times: Vec::new(),
            groups: 0,
            carries: false,
        };
        let mut slots = Vec::new();
        let (mut dead, mut revived) = (0, 0);
        for positions in by_key.segments() {
            let group = by_key.key(positions[0]);
            let entries = &mut self.state.sorted[group as usize];
            let was_empty = entries.is_empty();
            let edits = edits(entries, positions, batch)?;
            if let Some(changed) = edits.apply(entries, &mut affected) {
                let segment = self.spec.reach(entries, &changed);
                push(group, &segment, entries, &mut rows, &mut slots);
                affected
                    .wanted
                    .extend(entries[segment.wanted()].iter().map(|e| e.slot));
                affected
                    .places
                    .extend(segment.wanted().map(|place| (group, place as u32)));
                affected.ends.push((affected.gone.len(), affected.wanted.len()));
            }
            dead += usize::from(!was_empty && entries.is_empty());
            revived += usize::from(was_empty && !entries.is_empty());
        }
        self.state.note_empty(dead, revived);
        Ok((affected, rows, slots))
    }

    /// The results of the wanted rows.
    fn results(&self, rows: &Rows) -> Result<Vec<ArrayRef>, Failure> {
        if rows.segments.is_empty() {
            let results = self.spec.calls.iter().map(|call| new_empty_array(&call.result));
            return Ok(results.collect());
        }
        let mut functions = functions(&self.spec.calls, &self.input, &self.spec.arguments)?;
        functions
            .iter_mut()
            .map(|function| function.compute(rows))
            .collect()
    }

    /// Keeps rows with their new results, and forgets those that they take the place of.
    fn settle(
        &mut self,
        changes: &Changes,
        affected: &Affected,
        columns: &[ArrayRef],
    ) -> Result<(), Failure> {
        for slot in outdated(changes) {
            self.state.rows.remove(slot);
        }
        let stay: Vec<u32> = changes.stay.iter().map(|(row, _)| *row).collect();
        let mut slots = Vec::new();
        self.state
            .rows
            .add(columns, changes.kinds.len(), &stay, &mut slots)?;
        let places = changes.stay.iter().map(|(_, wanted)| affected.places[*wanted]);
        for ((group, place), slot) in places.clone().zip(&slots) {
            self.state.sorted[group as usize][place as usize].slot = *slot;
        }
        let groups = places.map(|(group, _)| group);
        self.state.note_written(groups.zip(slots.iter().copied()));
        let kinds = (0..).zip(&changes.kinds);
        let deleted = kinds.filter(|(_, kind)| **kind == RowKind::Delete.byte());
        let deleted = deleted.map(|(row, _)| row);
        self.state.note_gone(columns, deleted, &affected.gone_numbers)?;
        self.state.tidy()
    }
}

/// The changes of the rows at some positions, which are of one key.
fn edits<C: Keys>(
    entries: &[Entry<C::Key>],
    positions: &[u32],
    batch: &Batch<'_, C>,
) -> Result<Edits<C::Key>, Failure> {
    let mut edits = Edits::new();
    for &position in positions {
        let row = position as usize;
        let key = batch.keys.key(row);
        let hash = batch.hashes.get(row).copied().unwrap_or_default();
        if batch.ops.is_none_or(|ops| adds(ops.value(row))) {
            let slot = position | FRESH;
            let number = batch.first + i64::from(position);
            let entry = Entry {
                key,
                slot,
                hash,
                number,
            };
            edits.add(entries, entry, batch.ops.is_some());
        } else if !edits.remove(entries, &key, hash) {
            return Err(Failure::internal("a row is taken back that was never added"));
        }
    }
    Ok(edits)
}

impl Spec {
    /// The rows of a key whose results may have changed, and those before them that their frames reach.
    fn reach<K: Ord + TimeKey>(&self, entries: &[Entry<K>], changed: &Changed<K>) -> Segment {
        let (first_key, last_key) = &changed.keys;
        let mut first = changed.from;
        let mut end = changed.until;
        for call in &self.calls {
            end = end.max(match call.frame.reach {
                Reach::First => entries.len(),
                Reach::Rows(rows) => changed.until.saturating_add(rows),
                Reach::Range(ms) => {
                    let latest = last_key.time().saturating_add(ms);
                    entries.partition_point(|e| e.key.time() <= latest)
                }
            });
        }
        end = end.min(entries.len());
        if self.reads_ties() {
            first = entries.partition_point(|e| e.key < *first_key).min(first);
            while end > 0 && end < entries.len() && entries[end].key == entries[end - 1].key {
                end += 1;
            }
        }
        let first = first.min(end);
        let begin = self.calls.iter().map(|call| match call.frame.reach {
            Reach::First => 0,
            Reach::Rows(rows) => first.saturating_sub(rows),
            Reach::Range(ms) => entries.get(first).map_or(first, |e| {
                let earliest = e.key.time().saturating_sub(ms);
                entries.partition_point(|e| e.key.time() < earliest)
            }),
        });
        Segment {
            group: 0,
            begin: begin.min().unwrap_or(first),
            first,
            end,
        }
    }
}

/// Puts rows of a key behind those of others; a segment of a key's rows becomes one of all of these.
fn push<K: Ord + TimeKey>(
    group: u32,
    segment: &Segment,
    entries: &[Entry<K>],
    rows: &mut Rows,
    slots: &mut Vec<u32>,
) {
    if segment.first == segment.end {
        return;
    }
    let offset = slots.len();
    let mut before: Option<&K> = None;
    for entry in &entries[segment.begin..segment.end] {
        let tie = rows.ties.last().map_or(0, |tie| *tie) + u32::from(before != Some(&entry.key));
        rows.ties.push(tie);
        rows.times.push(entry.key.time());
        slots.push(entry.slot);
        before = Some(&entry.key);
    }
    rows.segments.push(Segment {
        group,
        begin: offset,
        first: offset + segment.first - segment.begin,
        end: slots.len(),
    });
}

impl<O: Order> Operator for ChangingOver<O>
where
    <O::Keys as Keys>::Key: TimeKey,
{
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let keys = self.order.keys(&batch)?;
        let payload = &batch.columns()[..self.spec.columns];
        let ops = changelog::ops(&batch);
        let hashes = match ops {
            Some(_) => Fresh::new(payload, batch.num_rows()).hashes()?,
            None => Vec::new(),
        };
        let ids = self.state.touch(&self.spec.keys_of(&batch), batch.num_rows())?;
        let changed = Batch {
            keys: &keys,
            ops,
            hashes,
            first: self.state.number(batch.num_rows()),
        };
        let (affected, mut rows, slots) = self.edit(&ByKey::new(ids), &changed)?;
        if !slots.is_empty() {
            let arguments = self.spec.arguments.columns.iter().copied();
            rows.columns = self.state.rows.gather_columns(&slots, payload, arguments)?;
        }
        let after = self.results(&rows)?;
        let known = affected.known();
        let results = self.spec.columns..self.spec.columns + after.len();
        let before = if known.is_empty() {
            after.iter().map(|column| column.slice(0, 0)).collect()
        } else {
            self.state.rows.gather_columns(&known, &[], results)?
        };
        let changes = affected.changes(&before, &after)?;
        if changes.kinds.is_empty() {
            return self.state.tidy();
        }
        let mut columns = self
            .state
            .rows
            .gather(&changes.slots, payload, self.spec.columns)?;
        columns.extend(changes.columns(&before, &after)?);
        let mut emitted: Vec<ArrayRef> = self
            .spec
            .passed
            .iter()
            .map(|c| Arc::clone(&columns[*c]))
            .collect();
        emitted.extend_from_slice(&columns[self.spec.columns..]);
        emitted.push(changelog::column(changes.kinds.clone()));
        context.emit(RecordBatch::try_new(Arc::clone(&self.spec.output), emitted).map_err(broken)?);
        self.settle(&changes, &affected, &columns)
    }

    fn tables(&self) -> Vec<Table> {
        self.state.tables()
    }

    fn track_changes(&mut self) {
        self.state.track_changes();
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        self.state.snapshot(scope, into)
    }

    fn restore(&mut self, _table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        let restored = self.state.input(rows)?;
        let keys = self.order.keys(&restored.rows)?;
        let hashes = if changelog::is_changelog(&self.input) {
            Fresh::new(restored.rows.columns(), rows.num_rows()).hashes()?
        } else {
            Vec::new()
        };
        let hash = |row: usize| hashes.get(row).copied().unwrap_or_default();
        self.state
            .restore(&restored, rows, |row| (keys.key(row), hash(row)))
    }

    /// Rows are found by keys as they came: of floats that are one key, those may differ.
    fn is_partitioned(&self) -> bool {
        self.spec.has_plain_keys(&self.input)
    }

    fn partition(&self, _port: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        self.spec.keys_of(batch)
    }

    fn restored(&mut self, _watermark: EventTime) -> Result<(), Failure> {
        self.state.restored();
        Ok(())
    }
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!("changes do not fit the functions OVER rows: {error}"))
}
