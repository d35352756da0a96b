//! The state of pattern matching as rows of tables: what waits, the rows that partial matches need, and the partial matches.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Int64Array, ListArray, RecordBatch, UInt32Array,
    cast::AsArray,
    types::{Int64Type, UInt32Type},
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use weir_model::Failure;

use super::{Saved, State};
use crate::{
    operator::match_recognize::runs::Run,
    state::{NumberedRows, Scope, Snapshot, Table, numbered::Restored},
};

/// The tables by number.
const WAITING: usize = 0;
const ROWS: usize = 1;
const RUNS: usize = 2;
/// Rows that are gathered at once.
const CHUNK_ROWS: usize = 8192;

impl State {
    /// What waits by key and arrival; rows of matches by key and number; partial matches by key and their place among those of it.
    ///
    /// A partial match is the number and the time (ms) of its first row, the variable that took the last one and how many rows each
    /// variable has taken; a match that waits for earlier ones also has the time of its last row.
    pub(in crate::operator) fn tables(&self) -> Vec<Table> {
        let run = [
            DataType::Int64,
            DataType::Int64,
            DataType::UInt32,
            DataType::List(Arc::new(item())),
            DataType::Int64,
        ];
        vec![
            self.waiting.table(),
            self.layout.table("rows"),
            Table::new("runs", &self.key_types, &[DataType::UInt32], &run),
        ]
    }

    /// Notes changes from now on.
    pub(in crate::operator) fn track_changes(&mut self) {
        self.touched.track();
        self.waiting.track_changes();
        self.note_saved(0..self.len());
    }

    /// Says what there is, or what has changed.
    pub(in crate::operator) fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        self.waiting.snapshot(scope, WAITING, into)?;
        let keys = match scope {
            Scope::All => (0..self.len()).collect(),
            Scope::Changes => self.touched.take(),
        };
        if scope == Scope::Changes {
            self.delete_rows(&keys, into)?;
            self.delete_runs(&keys, into)?;
        }
        self.write_rows(scope, &keys, into)?;
        self.write_runs(&keys, into)?;
        if scope == Scope::Changes {
            self.note_saved(keys);
        }
        Ok(())
    }

    fn note_saved(&mut self, keys: impl IntoIterator<Item = u32>) {
        for number in keys {
            let key = &mut self.keys[number as usize];
            key.saved = Saved {
                rows: key.rows.numbers(),
                runs: key.runs.len(),
            };
        }
    }

    fn delete_rows(&self, keys: &[u32], into: &mut Snapshot) -> Result<(), Failure> {
        let (mut owners, mut numbers) = (Vec::new(), Vec::new());
        for &number in keys {
            let key = &self.keys[number as usize];
            let gone = key.saved.rows.start..key.saved.rows.end.min(key.rows.numbers().start);
            owners.extend(gone.clone().map(|_| number));
            numbers.extend(gone.map(|row| row as i64));
        }
        into.delete(ROWS, NumberedRows::key(self.table.keys_of(&owners)?, numbers))
    }

    fn delete_runs(&self, keys: &[u32], into: &mut Snapshot) -> Result<(), Failure> {
        let (mut owners, mut places) = (Vec::new(), Vec::new());
        for &number in keys {
            let key = &self.keys[number as usize];
            let gone = key.runs.len()..key.saved.runs;
            owners.extend(gone.clone().map(|_| number));
            places.extend(gone);
        }
        let mut columns = self.table.keys_of(&owners)?;
        columns.push(Arc::new(UInt32Array::from(places)));
        into.delete(RUNS, columns)
    }

    fn write_rows(&self, scope: Scope, keys: &[u32], into: &mut Snapshot) -> Result<(), Failure> {
        let (mut owners, mut numbers, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for &number in keys {
            let key = &self.keys[number as usize];
            let from = match scope {
                Scope::All => 0,
                Scope::Changes => key.saved.rows.end,
            };
            for (row, place) in key.rows.from(from) {
                owners.push(number);
                numbers.push(row as i64);
                places.push(place);
            }
        }
        let mut from = 0;
        for places in places.chunks(CHUNK_ROWS) {
            let chunk = from..from + places.len();
            let keys = self.table.keys_of(&owners[chunk.clone()])?;
            let mut columns = NumberedRows::key(keys, numbers[chunk].to_vec());
            let values = self.layout.values().iter().copied();
            columns.extend(self.rows.gather_columns(places, &[], values)?);
            into.write(ROWS, columns)?;
            from += places.len();
        }
        Ok(())
    }

    fn write_runs(&self, keys: &[u32], into: &mut Snapshot) -> Result<(), Failure> {
        let mut written = Written::default();
        let mut owners = Vec::new();
        for &number in keys {
            for (place, (run, end_ms)) in (0..).zip(self.keys[number as usize].runs.all()) {
                owners.push(number);
                written.push(place, run, end_ms);
            }
        }
        let mut columns = self.table.keys_of(&owners)?;
        columns.extend(written.columns());
        into.write(RUNS, columns)
    }

    /// Takes rows of a table, of a pattern of so many variables.
    pub(in crate::operator) fn restore(
        &mut self,
        table: usize,
        rows: &RecordBatch,
        variables: usize,
    ) -> Result<(), Failure> {
        match table {
            WAITING => {
                self.waiting.restore(rows);
                Ok(())
            }
            ROWS => self.restore_rows(rows),
            _ => self.restore_runs(rows, variables),
        }
    }

    fn restore_rows(&mut self, rows: &RecordBatch) -> Result<(), Failure> {
        let Restored { keys, numbers, rows } = self.layout.restored(rows)?;
        let keys = self.number(&keys, rows.num_rows())?;
        let all: Vec<u32> = (0..rows.num_rows() as u32).collect();
        let mut places = Vec::new();
        self.rows
            .add(rows.columns(), rows.num_rows(), &all, &mut places)?;
        for ((key, number), place) in keys.iter().zip(&numbers).zip(places) {
            if !self.keys[*key as usize].rows.restore(*number as u64, place) {
                return Err(Failure::internal(format!(
                    "row {number} of a key's partial matches does not follow the one before it"
                )));
            }
        }
        self.rows.tidy()
    }

    fn restore_runs(&mut self, rows: &RecordBatch, variables: usize) -> Result<(), Failure> {
        let (keys, run) = rows.columns().split_at(self.key_types.len());
        let keys = self.number(keys, rows.num_rows())?;
        let [_, starts, starts_ms, taken_by, counts, ends_ms] = run else {
            return Err(Failure::internal("partial matches with other columns"));
        };
        let starts = starts.as_primitive::<Int64Type>().values();
        let starts_ms = starts_ms.as_primitive::<Int64Type>().values();
        let taken_by = taken_by.as_primitive::<UInt32Type>().values();
        let counts = counts.as_list::<i32>();
        let ends_ms = ends_ms.as_primitive::<Int64Type>();
        for (row, key) in keys.into_iter().enumerate() {
            let taken = counts.value(row);
            let variable = taken_by[row] as usize;
            if taken.len() != variables || variable >= variables {
                return Err(Failure::user(
                    "the partial matches are of another pattern; begin without their state",
                ));
            }
            let run = Run {
                start: starts[row] as u64,
                start_ms: starts_ms[row],
                variable,
                counts: taken.as_primitive::<UInt32Type>().values().to_vec().into(),
            };
            let end_ms = ends_ms.is_valid(row).then(|| ends_ms.value(row));
            self.keys[key as usize].runs.restore(run, end_ms);
        }
        Ok(())
    }

    /// All rows were given.
    pub(in crate::operator) fn restored(&mut self) -> Result<(), Failure> {
        self.waiting.restored()?;
        let has_rows = |key: &super::Key| {
            let numbers = key.rows.numbers();
            (!numbers.is_empty()).then_some(numbers.start) == key.runs.first_row()
        };
        if !self.keys.iter().all(has_rows) {
            return Err(Failure::internal(
                "partial matches and their rows do not fit together",
            ));
        }
        self.find_blocked();
        if self.touched.is_tracking() {
            self.note_saved(0..self.len());
        }
        Ok(())
    }
}

/// Partial matches as columns.
#[derive(Default)]
struct Written {
    places: Vec<u32>,
    starts: Vec<i64>,
    starts_ms: Vec<i64>,
    taken_by: Vec<u32>,
    /// How many variables each has, and of all the rows that those have taken.
    lengths: Vec<usize>,
    counts: Vec<u32>,
    ends_ms: Vec<Option<i64>>,
}

impl Written {
    fn push(&mut self, place: u32, run: &Run, end_ms: Option<i64>) {
        self.places.push(place);
        self.starts.push(run.start as i64);
        self.starts_ms.push(run.start_ms);
        self.taken_by.push(run.variable as u32);
        self.lengths.push(run.counts.len());
        self.counts.extend_from_slice(&run.counts);
        self.ends_ms.push(end_ms);
    }

    fn columns(self) -> [ArrayRef; 6] {
        let counts: ArrayRef = Arc::new(UInt32Array::from(self.counts));
        let offsets = OffsetBuffer::from_lengths(self.lengths);
        [
            Arc::new(UInt32Array::from(self.places)),
            Arc::new(Int64Array::from(self.starts)),
            Arc::new(Int64Array::from(self.starts_ms)),
            Arc::new(UInt32Array::from(self.taken_by)),
            Arc::new(ListArray::new(Arc::new(item()), offsets, counts, None)),
            Arc::new(Int64Array::from(self.ends_ms)),
        ]
    }
}

fn item() -> Field {
    Field::new_list_field(DataType::UInt32, true)
}
