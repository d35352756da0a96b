//! Results before and after a batch, as changes.

use arrow::{
    array::make_comparator,
    compute::{and, concat, kernels::cmp::not_distinct, take},
};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_schema::{ArrowError, SchemaRef, SortOptions};
use weir_connector::{RowKind, changelog};
use weir_model::Failure;

/// The groups that a batch has touched.
pub(in crate::operator) struct Changes {
    /// Their keys.
    pub(in crate::operator) keys: Vec<ArrayRef>,
    /// Results before, of those that were known.
    pub(in crate::operator) before: Vec<ArrayRef>,
    /// Results now, of all; the known ones first.
    pub(in crate::operator) after: Vec<ArrayRef>,
    /// Rows before, of those that were known.
    pub(in crate::operator) rows_before: Vec<i64>,
    /// Rows now, of all.
    pub(in crate::operator) rows_after: Vec<i64>,
    /// Whether a result that is as before is emitted too: so that what comes behind does not forget it.
    pub(in crate::operator) repeats: bool,
}

impl Changes {
    /// One change a group at most: +I, or -U and +U, or -D. With a schema that has no `$op`, new groups only.
    pub(in crate::operator) fn batch(&self, schema: &SchemaRef) -> Result<RecordBatch, Failure> {
        self.build(schema)
            .map_err(|e| Failure::internal(format!("changes do not have the planned columns: {e}")))
    }

    fn build(&self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let is_changelog = changelog::is_changelog(schema);
        let known = self.rows_before.len();
        let same = self.same(known)?;
        let mut picks = Picks::default();
        for (i, &rows) in self.rows_after.iter().enumerate() {
            let had_rows = i < known && self.rows_before[i] > 0;
            match (had_rows, rows > 0) {
                (false, true) => picks.push(i, known + i, RowKind::Insert),
                (true, true) if is_changelog && (self.repeats || !same.value(i)) => {
                    picks.push(i, i, RowKind::UpdateBefore);
                    picks.push(i, known + i, RowKind::UpdateAfter);
                }
                (true, false) if is_changelog => picks.push(i, i, RowKind::Delete),
                _ => {}
            }
        }
        let groups = UInt32Array::from(picks.groups);
        let places = UInt32Array::from(picks.places);
        let mut columns = Vec::with_capacity(schema.fields().len());
        for key in &self.keys {
            columns.push(take(key, &groups, None)?);
        }
        for (before, after) in self.before.iter().zip(&self.after) {
            let both = concat(&[before.as_ref(), after.as_ref()])?;
            columns.push(take(&both, &places, None)?);
        }
        if is_changelog {
            columns.push(changelog::column(picks.kinds));
        }
        RecordBatch::try_new(schema.clone(), columns)
    }

    /// Which known groups have the same result as before.
    fn same(&self, known: usize) -> Result<BooleanArray, ArrowError> {
        let mut same = BooleanArray::from(vec![true; known]);
        for (before, after) in self.before.iter().zip(&self.after) {
            same = and(&same, &equal(before, &after.slice(0, known))?)?;
        }
        Ok(same)
    }
}

/// Which values are the same, null and null included.
fn equal(left: &ArrayRef, right: &ArrayRef) -> Result<BooleanArray, ArrowError> {
    if !left.data_type().is_nested() {
        return not_distinct(left, right);
    }
    let compare = make_comparator(left, right, SortOptions::default())?;
    Ok((0..left.len())
        .map(|row| Some(compare(row, row).is_eq()))
        .collect())
}

/// Which rows are emitted.
#[derive(Default)]
struct Picks {
    /// The group of each, among the keys.
    groups: Vec<u32>,
    /// Its result, among those before and then those after.
    places: Vec<u32>,
    kinds: Vec<i8>,
}

impl Picks {
    fn push(&mut self, group: usize, place: usize, kind: RowKind) {
        self.groups.push(group as u32);
        self.places.push(place as u32);
        self.kinds.push(kind.byte());
    }
}
