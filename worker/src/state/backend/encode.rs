//! Changes of operators' tables as puts and deletes.

use std::ops::Range;

use arrow_array::RecordBatch;
use weir_model::Failure;

use crate::state::{
    Change,
    codec::{Codec, place},
    store::Batch,
};

/// Rows that are encoded at once.
const ROWS: usize = 32 << 10;

/// Hands on the changes of operators, in order, in batches of about so many bytes. `codecs` are by operator and table.
///
/// # Errors
/// That of `each`. An internal failure for rows that are not the subtask's: some of the changes may have been handed on, and the
/// others are lost.
pub(super) fn encode(
    codecs: &[Vec<Codec>],
    key_groups: &Range<u32>,
    changes: Vec<Vec<Change>>,
    bytes: usize,
    each: &mut dyn FnMut(Batch) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut batch = Batch::default();
    for (codecs, changes) in codecs.iter().zip(changes) {
        // Each change is let go once it is encoded.
        for change in changes {
            let rows = match &change {
                Change::Write { rows, .. } | Change::Delete { keys: rows, .. } => rows,
            };
            let mut start = 0;
            while start < rows.num_rows() {
                let part = rows.slice(start, ROWS.min(rows.num_rows() - start));
                start += part.num_rows();
                match change {
                    Change::Write { table, .. } => write(&codecs[table], key_groups, &part, &mut batch)?,
                    Change::Delete { table, .. } => delete(&codecs[table], key_groups, &part, &mut batch)?,
                }
                if batch.bytes() >= bytes {
                    each(std::mem::take(&mut batch))?;
                }
            }
        }
    }
    if batch.is_empty() {
        return Ok(());
    }
    each(batch)
}

fn write(codec: &Codec, here: &Range<u32>, rows: &RecordBatch, into: &mut Batch) -> Result<(), Failure> {
    let mut stray = None;
    codec.encode(rows, |key, value| {
        stray = stray.or_else(|| elsewhere(key, here));
        into.put(key, value);
    })?;
    stray.map_or(Ok(()), |group| Err(strayed(codec, group, here)))
}

fn delete(codec: &Codec, here: &Range<u32>, keys: &RecordBatch, into: &mut Batch) -> Result<(), Failure> {
    let mut stray = None;
    codec.encode_keys(keys.columns(), keys.num_rows(), |_, key| {
        stray = stray.or_else(|| elsewhere(key, here));
        into.delete(key);
    })?;
    stray.map_or(Ok(()), |group| Err(strayed(codec, group, here)))
}

/// The key group of a key, if it is none of these.
fn elsewhere(key: &[u8], here: &Range<u32>) -> Option<u32> {
    let (group, _, _) = place(key)?;
    (!here.contains(&group)).then_some(group)
}

/// Such a row would be lost at the next restore.
fn strayed(codec: &Codec, group: u32, here: &Range<u32>) -> Failure {
    let table = codec.table().name;
    Failure::internal(format!(
        "a row of the table '{table}' of an operator's state belongs to key group {group}, and the subtask has {here:?}"
    ))
}
