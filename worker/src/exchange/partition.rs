//! Which subtask each row of a hash edge goes to.

use arrow_array::RecordBatch;
use weir_checkpoint::key_group;
use weir_model::Failure;

use super::hash::mix_column;

/// Spreads rows over subtasks by the key groups of some columns.
///
/// The routing table (key group -> subtask) is data, so that a rescale can swap it. Without key columns every row belongs
/// to key group 0.
#[derive(Debug)]
pub struct Partitioner {
    columns: Vec<usize>,
    routing: Vec<u32>,
    hashes: Vec<u64>,
    /// Row numbers per destination.
    rows: Vec<Vec<u32>>,
}

/// Where the rows of a batch go.
#[derive(Debug)]
pub enum Partitioned<'a> {
    /// All to one subtask.
    One(usize),
    /// To each subtask the rows of these numbers, ascending.
    Spread(&'a [Vec<u32>]),
}

impl Partitioner {
    /// By these columns, over so many subtasks and key groups.
    pub fn new(columns: Vec<usize>, parallelism: u32, max_parallelism: u32) -> Self {
        Self {
            columns,
            routing: key_group::routing(parallelism, max_parallelism),
            hashes: Vec::new(),
            rows: vec![Vec::new(); parallelism as usize],
        }
    }

    /// Where the rows of this batch go.
    pub fn partition(&mut self, batch: &RecordBatch) -> Result<Partitioned<'_>, Failure> {
        if self.columns.is_empty() || self.rows.len() == 1 {
            return Ok(Partitioned::One(self.routing[0] as usize));
        }
        self.hashes.clear();
        self.hashes.resize(batch.num_rows(), 0);
        for &column in &self.columns {
            mix_column(batch.column(column), &mut self.hashes)?;
        }
        self.rows.iter_mut().for_each(Vec::clear);
        let max_parallelism = self.routing.len() as u32;
        if max_parallelism.is_power_of_two() {
            // The same key group as `of_hash` says, without a division.
            let mask = u64::from(max_parallelism - 1);
            self.spread(|hash| (hash & mask) as usize);
        } else {
            self.spread(|hash| key_group::of_hash(hash, max_parallelism) as usize);
        }
        Ok(Partitioned::Spread(&self.rows))
    }

    #[inline]
    fn spread(&mut self, group: impl Fn(u64) -> usize) {
        for (row, &hash) in self.hashes.iter().enumerate() {
            self.rows[self.routing[group(hash)] as usize].push(row as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array};
    use proptest::prelude::*;
    use weir_checkpoint::key_group::{mix, of_hash, routing};

    use super::*;

    fn batch(keys: &[i64]) -> RecordBatch {
        let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        RecordBatch::try_from_iter([("key", keys)]).expect("one column")
    }

    #[test]
    fn without_keys_every_row_goes_to_the_owner_of_key_group_0() {
        let mut partitioner = Partitioner::new(vec![], 4, 128);
        assert!(matches!(
            partitioner.partition(&batch(&[1, 2])),
            Ok(Partitioned::One(0))
        ));
    }

    proptest! {
        #[test]
        fn each_row_goes_to_the_owner_of_its_key_group_in_order(
            keys in proptest::collection::vec(any::<i64>(), 1..200), parallelism in 2..9_u32, groups in 9..300_u32,
        ) {
            let mut partitioner = Partitioner::new(vec![0], parallelism, groups);
            let table = routing(parallelism, groups);
            let Partitioned::Spread(rows) = partitioner.partition(&batch(&keys)).expect("int64 can be a key") else {
                panic!("keys spread");
            };
            prop_assert_eq!(rows.iter().map(Vec::len).sum::<usize>(), keys.len());
            for (subtask, rows) in rows.iter().enumerate() {
                prop_assert!(rows.is_sorted());
                for &row in rows {
                    let group = of_hash(mix(0, keys[row as usize] as u64), groups);
                    prop_assert_eq!(table[group as usize] as usize, subtask);
                }
            }
        }
    }
}
