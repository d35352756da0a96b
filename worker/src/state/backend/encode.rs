//! Changes of operators' tables as puts and deletes.

use std::ops::Range;

use weir_model::Failure;

use crate::state::{
    Change,
    codec::{Codec, place},
    store::Batch,
};

/// The changes of operators, in order, as a batch. `codecs` are by operator and table.
pub(super) fn encode(
    codecs: &[Vec<Codec>],
    key_groups: &Range<u32>,
    changes: Vec<Vec<Change>>,
) -> Result<Batch, Failure> {
    let mut batch = Batch::default();
    let mut stray = None;
    let mut here = |key: &[u8]| {
        if place(key).is_none_or(|(group, _, _)| !key_groups.contains(&group)) {
            stray = Some(key.to_vec());
        }
    };
    for (codecs, changes) in codecs.iter().zip(changes) {
        // Each change is let go once it is encoded.
        for change in changes {
            match change {
                Change::Write { table, rows } => codecs[table].encode(&rows, |key, value| {
                    here(key);
                    batch.put(key, value);
                })?,
                Change::Delete { table, keys } => {
                    codecs[table].encode_keys(keys.columns(), keys.num_rows(), |_, key| {
                        here(key);
                        batch.delete(key);
                    })?;
                }
            }
        }
    }
    match stray.as_deref().and_then(place) {
        None => Ok(batch),
        // Such a row would be lost at the next restore.
        Some((group, operator, table)) => Err(Failure::internal(format!(
            "a row of table {table} of operator {operator} belongs to key group {group}, and the subtask has {key_groups:?}"
        ))),
    }
}
