//! Makes rows of a table of an earlier version of a query rows of the table that there is now.

use std::sync::Arc;

use arrow_array::RecordBatch;
use weir_checkpoint::{manifest::TableShape, restore::columns::Fit};
use weir_model::Failure;

use crate::state::{Table, codec::Codec, shape};

/// Which columns go where.
pub(super) struct Reshape {
    old: Codec,
    fit: Fit,
}

impl Reshape {
    /// From a table of this shape to the table, of an operator of this name; none: rows are what they were.
    pub(super) fn new(from: &TableShape, to: &Table, operator: &str) -> Result<Option<Self>, Failure> {
        let fit = shape::fit(from, to, operator)?;
        if fit.is_same() {
            return Ok(None);
        }
        let old = Table {
            name: to.name,
            schema: shape::columns(from)?,
            partition: from.partition,
            key: from.key,
            parts: Vec::new(),
            due: None,
        };
        // Nothing is found by its codec: neither the operator's number matters, nor the table's, nor how many key groups there are.
        let old = Codec::new(old, 0, 0, 1)?;
        Ok(Some(Self { old, fit }))
    }

    /// Rows of the table from entries of the old one.
    pub(super) fn rows<'a>(
        &self,
        entries: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
        to: &Table,
    ) -> Result<RecordBatch, Failure> {
        let old = self.old.decode(entries)?;
        let (keys, values) = old.columns().split_at(to.key);
        let mut columns = keys.to_vec();
        let mut from = self.fit.columns.iter();
        for part in &to.parts {
            let places: Vec<Option<usize>> = from.by_ref().take(part.types.len()).copied().collect();
            match places.iter().copied().collect::<Option<Vec<usize>>>() {
                Some(places) => columns.extend(places.into_iter().map(|place| Arc::clone(&values[place]))),
                None => columns.extend(part.begun(old.num_rows()).ok_or_else(|| {
                    Failure::internal(format!("{} cannot begin in its table '{}'", part.name, to.name))
                })??),
            }
        }
        RecordBatch::try_new(Arc::clone(&to.schema), columns)
            .map_err(|e| Failure::internal(format!("rows of state do not fit their table: {e}")))
    }
}
