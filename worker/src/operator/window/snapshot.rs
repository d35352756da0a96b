//! Panes as rows of a table: the keys of a group, the start of its pane, and what the accumulators say.

use std::{collections::BTreeMap, sync::Arc};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array, cast::AsArray, types::Int64Type};
use arrow_schema::DataType;
use arrow_select::take::take_record_batch;
use weir_model::Failure;

use super::pane::{Pane, Panes};
use crate::state::{Scope, Snapshot, Table};

/// The same start for so many groups.
fn starts(start: i64, rows: usize) -> ArrayRef {
    Arc::new(Int64Array::from(vec![start; rows]))
}

/// Rows by the moment in this column.
pub(super) fn by_moment(rows: &RecordBatch, column: usize) -> Result<Vec<(i64, RecordBatch)>, Failure> {
    let column = rows.column(column).as_primitive::<Int64Type>().values();
    let mut places: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    for (row, start) in (0_u32..).zip(column) {
        places.entry(*start).or_default().push(row);
    }
    let part = |(start, places): (i64, Vec<u32>)| {
        let part = take_record_batch(rows, &UInt32Array::from(places));
        let part = part.map_err(|e| Failure::internal(format!("cannot gather the rows of a window: {e}")))?;
        Ok((start, part))
    };
    places.into_iter().map(part).collect()
}

impl Panes {
    /// The table of this name that holds them.
    pub(super) fn table(&self, name: &'static str) -> Table {
        Table::of_parts(name, self.key_types(), &[DataType::Int64], self.parts().to_vec())
    }

    /// Notes what changes from now on.
    pub(super) fn track_changes(&mut self) {
        self.tracking.is_on = true;
        self.all().for_each(|(_, pane)| pane.track_changes());
    }

    /// Says the groups of all panes, or those that were written and those of panes that have gone.
    pub(super) fn snapshot(
        &mut self,
        table: usize,
        scope: Scope,
        into: &mut Snapshot,
    ) -> Result<(), Failure> {
        if scope == Scope::Changes {
            for (start, mut keys, rows) in std::mem::take(&mut self.tracking.deleted) {
                keys.push(starts(start, rows));
                into.delete(table, keys)?;
            }
        }
        for (start, pane) in self.all() {
            let groups = match scope {
                Scope::All => (0..pane.len() as u32).collect(),
                Scope::Changes => pane.take_dirty(),
            };
            write(table, start, pane, &groups, into)?;
        }
        Ok(())
    }

    /// Takes rows that such a snapshot had.
    pub(super) fn restore(&mut self, rows: &RecordBatch) -> Result<(), Failure> {
        let start = self.key_types().len();
        for (at, rows) in by_moment(rows, start)? {
            let (keys, state) = rows.columns().split_at(start);
            self.pane(at)?.restore(keys, &state[1..])?;
        }
        Ok(())
    }
}

fn write(table: usize, start: i64, pane: &Pane, groups: &[u32], into: &mut Snapshot) -> Result<(), Failure> {
    for groups in groups.chunks(into.chunk_rows()) {
        let mut columns = pane.keys_of(groups)?;
        columns.push(starts(start, groups.len()));
        columns.extend(pane.state_of(groups)?);
        into.write(table, columns)?;
    }
    Ok(())
}
