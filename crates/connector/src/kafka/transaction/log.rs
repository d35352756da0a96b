//! How a transaction ended, as a partition's log says: pure.
//!
//! A log is a row of batches of records (message format 2). The end of a transaction is a batch of one record, a marker, with the id of the
//! transaction's producer.

/// Bytes of a batch before its records.
const HEADER: usize = 61;
/// The bit of a batch's attributes that says that it is a marker.
const IS_CONTROL: i16 = 0x20;

/// A batch's header, and the key of its record if it is a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
    /// What it ends its producer's transaction with.
    pub(super) ends: Option<End>,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its records are seen.
    Committed,
    /// They never will be.
    Aborted,
}

/// The whole batches that bytes of a log begin with.
pub(super) fn batches(mut bytes: &[u8]) -> Vec<Batch> {
    let mut batches = Vec::new();
    while let Some((batch, rest)) = batch(bytes) {
        batches.push(batch);
        bytes = rest;
    }
    batches
}

fn batch(bytes: &[u8]) -> Option<(Batch, &[u8])> {
    let first = i64::from_be_bytes(at(bytes, 0)?);
    let size = 12 + usize::try_from(i32::from_be_bytes(at(bytes, 8)?)).ok()?;
    if size < HEADER || bytes.len() < size {
        return None;
    }
    let (this, rest) = bytes.split_at(size);
    let is_control = i16::from_be_bytes(at(this, 21)?) & IS_CONTROL != 0;
    let batch = Batch {
        first,
        last: first + i64::from(i32::from_be_bytes(at(this, 23)?)),
        producer_id: i64::from_be_bytes(at(this, 43)?),
        epoch: i16::from_be_bytes(at(this, 51)?),
        ends: is_control.then(|| marker(&this[HEADER..])).flatten(),
    };
    Some((batch, rest))
}

fn at<const N: usize>(bytes: &[u8], from: usize) -> Option<[u8; N]> {
    bytes.get(from..from + N)?.try_into().ok()
}

/// The meaning of a marker's record: its key is a version and a type.
fn marker(mut record: &[u8]) -> Option<End> {
    // Its length, attributes, and how far it is from the batch's first time and offset.
    varint(&mut record)?;
    record = record.get(1..)?;
    varint(&mut record)?;
    varint(&mut record)?;
    varint(&mut record)?;
    match i16::from_be_bytes(at(record, 2)?) {
        0 => Some(End::Aborted),
        1 => Some(End::Committed),
        _ => None,
    }
}

/// Skips a number of variable length.
fn varint(bytes: &mut &[u8]) -> Option<()> {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    *bytes = &bytes[length..];
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of the producer 7, with so many bytes or a marker of this type.
    fn raw(first: i64, records: i32, marker: Option<u8>) -> Vec<u8> {
        let body = match marker {
            None => vec![9; 20],
            // Length 16, no attributes, deltas of 0, a key of 4 bytes: version 0, the type; a value of 6 bytes; no headers.
            Some(kind) => vec![32, 0, 0, 0, 8, 0, 0, 0, kind, 12, 0, 0, 0, 0, 0, 0, 0],
        };
        let mut bytes = first.to_be_bytes().to_vec();
        bytes.extend(((HEADER + body.len() - 12) as i32).to_be_bytes());
        bytes.extend([0; 9]);
        bytes.extend((if marker.is_some() { IS_CONTROL | 0x10 } else { 0x10 }).to_be_bytes());
        bytes.extend((records - 1).to_be_bytes());
        bytes.extend([0; 16]);
        bytes.extend(7_i64.to_be_bytes());
        bytes.extend(3_i16.to_be_bytes());
        bytes.extend([0; 8]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn batches_are_read_up_to_the_first_that_is_not_whole() {
        let log = [raw(10, 5, None), raw(15, 1, Some(1)), raw(16, 1, Some(0))].concat();
        let found = batches(&log);
        let short: Vec<_> = found.iter().map(|b| (b.first, b.last, b.ends)).collect();
        assert_eq!(
            short,
            [
                (10, 14, None),
                (15, 15, Some(End::Committed)),
                (16, 16, Some(End::Aborted))
            ]
        );
        assert!(found.iter().all(|b| (b.producer_id, b.epoch) == (7, 3)));
        for cut in 0..log.len() {
            let whole = batches(&log[..cut]);
            assert!(found.starts_with(&whole) && whole.len() < found.len());
        }
    }
}
