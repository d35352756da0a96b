//! The state of rows that are only appended, as rows of tables: what waits, the rows that frames still reach, and what functions carry.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_schema::DataType;
use weir_model::Failure;

use super::{Kept, Timed};
use crate::{
    operator::over::spec::Lookback,
    state::{NumberedRows, Scope, Snapshot, Table, table::Due},
};

/// The tables by number.
const WAITING: usize = 0;
const ROWS: usize = 1;
const CARRIED: usize = 2;

/// What a snapshot says of the rows that frames reach.
#[derive(Default)]
struct Told {
    groups: Vec<u32>,
    numbers: Vec<i64>,
    times: Vec<i64>,
    slots: Vec<u32>,
}

impl Timed {
    /// What waits by key and arrival; rows that frames reach by key and number, with their time (ms) and what functions read of them; and
    /// by key what the functions carry whose frames begin with the first row, one behind the other. Event time lets rows go that frames
    /// reach so long after theirs, ms, if it does.
    pub(in crate::operator) fn tables(&self, goes_after_ms: Option<i64>) -> Vec<Table> {
        let row = [&[DataType::Int64], self.argument_types.as_slice()].concat();
        let rows = Table::new("rows", &self.key_types, &[DataType::Int64], &row);
        vec![
            self.waiting.table(),
            match goes_after_ms {
                Some(after_ms) => rows.due(Due::at(self.key_types.len() + 1, after_ms)),
                None => rows,
            },
            Table::new("carried", &self.key_types, &[], &self.carried_types()),
        ]
    }

    fn carried_types(&self) -> Vec<DataType> {
        let carrying = self.carrying.iter().map(|&at| &self.functions[at]);
        carrying.flat_map(|function| function.state_types()).collect()
    }

    /// Notes changes from now on.
    pub(in crate::operator) fn track_changes(&mut self) {
        self.touched.track();
        self.waiting.track_changes();
        self.note_saved(0..self.kept.len() as u32);
    }

    /// Says what there is, or what has changed.
    pub(in crate::operator) fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        self.waiting.snapshot(scope, WAITING, into)?;
        let groups = match scope {
            Scope::All => (0..self.kept.len() as u32).collect(),
            Scope::Changes => self.touched.take(),
        };
        if scope == Scope::Changes {
            self.delete_rows(&groups, into)?;
        }
        self.write_rows(scope, &groups, into)?;
        self.write_carried(&groups, into)?;
        if scope == Scope::Changes {
            self.note_saved(groups);
        }
        Ok(())
    }

    fn note_saved(&mut self, groups: impl IntoIterator<Item = u32>) {
        for group in groups {
            let kept = &mut self.kept[group as usize];
            let was_forgotten = kept.is_forgotten();
            kept.saved = kept.numbers();
            self.live -= usize::from(kept.is_forgotten() && !was_forgotten);
        }
    }

    fn delete_rows(&self, groups: &[u32], into: &mut Snapshot) -> Result<(), Failure> {
        let mut told = Told::default();
        for &group in groups {
            let kept = &self.kept[group as usize];
            let gone = kept.saved.start..kept.saved.end.min(kept.first);
            told.groups.extend(gone.clone().map(|_| group));
            told.numbers.extend(gone.map(|number| number as i64));
        }
        let chunk = into.chunk_rows();
        let numbers = told.numbers.chunks(chunk);
        for (groups, numbers) in told.groups.chunks(chunk).zip(numbers) {
            into.delete(ROWS, self.found_by(groups, numbers)?)?;
        }
        Ok(())
    }

    fn write_rows(&self, scope: Scope, groups: &[u32], into: &mut Snapshot) -> Result<(), Failure> {
        let mut told = Told::default();
        for &group in groups {
            let kept = &self.kept[group as usize];
            let skipped = match scope {
                Scope::All => 0,
                Scope::Changes => kept.saved.end.saturating_sub(kept.first),
            };
            let rows = kept.rows.iter().skip(skipped as usize);
            for (number, row) in (kept.first + skipped..).zip(rows) {
                told.groups.push(group);
                told.numbers.push(number as i64);
                told.times.push(row.time);
                told.slots.push(row.slot);
            }
        }
        for from in (0..told.slots.len()).step_by(into.chunk_rows()) {
            let chunk = from..told.slots.len().min(from + into.chunk_rows());
            let mut columns = self.found_by(&told.groups[chunk.clone()], &told.numbers[chunk.clone()])?;
            columns.push(Arc::new(Int64Array::from(told.times[chunk.clone()].to_vec())));
            let arguments = self.argument_types.len();
            columns.extend(self.rows.gather(&told.slots[chunk], &[], arguments)?);
            into.write(ROWS, columns)?;
        }
        Ok(())
    }

    /// The columns by which rows are found.
    fn found_by(&self, groups: &[u32], numbers: &[i64]) -> Result<Vec<ArrayRef>, Failure> {
        Ok(NumberedRows::key(self.keys.keys_of(groups)?, numbers.to_vec()))
    }

    fn write_carried(&self, groups: &[u32], into: &mut Snapshot) -> Result<(), Failure> {
        if self.carrying.is_empty() {
            return Ok(());
        }
        for groups in groups.chunks(into.chunk_rows()) {
            let mut columns = self.keys.keys_of(groups)?;
            for &function in &self.carrying {
                columns.extend(self.functions[function].state_of(groups)?);
            }
            into.write(CARRIED, columns)?;
        }
        Ok(())
    }

    /// Takes rows of a table.
    pub(in crate::operator) fn restore(&mut self, table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        self.restored_from.get_or_insert(self.kept.len());
        let (keys, columns) = rows.columns().split_at(self.key_types.len());
        match table {
            WAITING => {
                self.waiting.restore(rows);
                Ok(())
            }
            ROWS => {
                let groups = self.touch(keys, rows.num_rows())?;
                self.restore_rows(&groups, columns)
            }
            _ => {
                let groups = self.touch(keys, rows.num_rows())?;
                self.restore_carried(&groups, columns)
            }
        }
    }

    fn restore_rows(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<(), Failure> {
        let [numbers, times, arguments @ ..] = columns else {
            return Err(Failure::internal("rows that frames reach have other columns"));
        };
        let numbers = numbers.as_primitive::<Int64Type>().values();
        let times = times.as_primitive::<Int64Type>().values();
        let all: Vec<u32> = (0..groups.len() as u32).collect();
        let mut slots = Vec::new();
        self.rows.add(arguments, groups.len(), &all, &mut slots)?;
        let rows = groups.iter().zip(numbers).zip(times.iter().zip(slots));
        for ((group, number), (&time, slot)) in rows {
            let kept = &mut self.kept[*group as usize];
            if kept.rows.is_empty() {
                kept.first = *number as u64;
                self.live += 1;
            }
            kept.push(Kept { time, slot });
            if kept.numbers().end != *number as u64 + 1 {
                return Err(Failure::internal(format!(
                    "row {number} that frames of a key reach does not follow the one before it"
                )));
            }
        }
        self.rows.tidy()
    }

    fn restore_carried(&mut self, groups: &[u32], mut columns: &[ArrayRef]) -> Result<(), Failure> {
        let total = self.keys.len();
        for &function in &self.carrying {
            let function = &mut self.functions[function];
            let of_function;
            (of_function, columns) = columns.split_at(function.state_types().len());
            function.restore(groups, total, of_function)?;
        }
        Ok(())
    }

    /// All rows were given.
    pub(in crate::operator) fn restored(&mut self, lookback: Lookback) -> Result<(), Failure> {
        self.waiting.restored()?;
        // Their keys are new: none of them was there before.
        let from = self.restored_from.take().unwrap_or(self.kept.len());
        if lookback.range_ms.is_some() && from < self.kept.len() {
            let of_key = |(group, kept): (u32, &super::KeptRows)| {
                let times: Vec<_> = kept.rows.iter().map(|row| (row.time, group)).collect();
                times
            };
            let restored = (from as u32..).zip(&self.kept[from..]).flat_map(of_key);
            self.expiry.extend(restored);
            // Those that were there are in order already.
            #[expect(clippy::stable_sort_primitive, reason = "it is fast where most is sorted")]
            self.expiry.make_contiguous().sort();
        }
        if self.touched.is_tracking() {
            self.note_saved(from as u32..self.kept.len() as u32);
        }
        Ok(())
    }
}
