use std::{collections::HashMap, sync::Arc};

use arrow_array::{
    Array, BinaryArray, BooleanArray, Date32Array, Float64Array, Int8Array, Int64Array, LargeStringArray,
    StringArray, StringViewArray, TimestampMillisecondArray,
};
use proptest::prelude::*;

use super::*;

/// Equal keys share a group, groups are numbered by first appearance, and key columns come back as they were.
fn check(batches: &[Vec<ArrayRef>]) {
    let types: Vec<DataType> = batches[0].iter().map(|c| c.data_type().clone()).collect();
    let mut table = GroupTable::new(&types).expect("keys");
    for _ in 0..2 {
        let mut numbers: HashMap<Vec<String>, u32> = HashMap::new();
        let mut firsts: Vec<(usize, usize)> = Vec::new();
        for (b, batch) in batches.iter().enumerate() {
            let groups = table.intern(batch, batch[0].len()).expect("interns");
            let ids = groups.ids.expect("keys").to_vec();
            for (row, id) in ids.into_iter().enumerate() {
                let key: Vec<String> = batch.iter().map(|c| format!("{:?}", c.slice(row, 1))).collect();
                let next = numbers.len() as u32;
                let expected = *numbers.entry(key).or_insert(next);
                assert_eq!(id, expected, "row {row} of batch {b}");
                if expected == next {
                    firsts.push((b, row));
                }
            }
        }
        assert_eq!(table.len(), firsts.len());
        let middle = firsts.len() / 2;
        for range in [0..middle, middle..firsts.len()] {
            let keys = table.keys(range.clone()).expect("keys");
            for (i, group) in range.enumerate() {
                let (b, row) = firsts[group];
                for (key, column) in keys.iter().zip(&batches[b]) {
                    assert_eq!(&key.slice(i, 1), &column.slice(row, 1));
                }
            }
        }
        table.clear();
        assert_eq!(table.len(), 0);
    }
}

fn repeated<T: Clone>(values: &[T]) -> Vec<T> {
    [values, values].concat()
}

#[test]
fn every_type_of_key_finds_its_group_again() {
    let strings = repeated(&[
        Some("a"),
        None,
        Some(""),
        Some("a longer string than fits a view"),
        Some("a\0"),
    ]);
    let numbers = repeated(&[Some(0), None, Some(-1), Some(i64::MIN), Some(i64::MAX), Some(1)]);
    let singles: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(numbers.clone())),
        Arc::new(TimestampMillisecondArray::from(numbers.clone())),
        Arc::new(Int8Array::from(repeated(&[
            Some(0),
            None,
            Some(-1),
            Some(127),
            Some(-128),
        ]))),
        Arc::new(Date32Array::from(repeated(&[Some(-1), Some(i32::MIN), None]))),
        Arc::new(Float64Array::from(repeated(&[
            Some(1.5),
            None,
            Some(f64::INFINITY),
            Some(f64::NAN),
        ]))),
        Arc::new(BooleanArray::from(repeated(&[Some(true), None, Some(false)]))),
        Arc::new(StringArray::from(strings.clone())),
        Arc::new(LargeStringArray::from(strings.clone())),
        Arc::new(StringViewArray::from(strings.clone())),
        Arc::new(
            strings
                .iter()
                .map(|s| s.map(str::as_bytes))
                .collect::<BinaryArray>(),
        ),
    ];
    for column in singles {
        let sliced = column.slice(1, column.len() - 2);
        check(&[vec![Arc::clone(&column)], vec![sliced]]);
    }
    let numbers: ArrayRef = Arc::new(Int64Array::from(numbers[..10].to_vec()));
    let strings: ArrayRef = Arc::new(StringArray::from(strings));
    let views: ArrayRef = Arc::new(strings.as_string::<i32>().iter().collect::<StringViewArray>());
    let flags: ArrayRef = Arc::new((0..10).map(|i| Some(i % 3 == 0)).collect::<BooleanArray>());
    let compound = [
        vec![Arc::clone(&numbers), Arc::clone(&strings)],
        vec![views, Arc::clone(&numbers), Arc::clone(&strings)],
        vec![flags, strings],
    ];
    for columns in compound {
        let sliced = columns.iter().map(|c| c.slice(3, 7)).collect();
        check(&[columns, sliced]);
    }
}

#[test]
fn floats_that_are_equal_are_one_key() {
    let mut table = GroupTable::new(&[DataType::Float64]).expect("keys");
    let other_nan = f64::from_bits(f64::NAN.to_bits() | 1);
    let keys: ArrayRef = Arc::new(Float64Array::from(vec![
        0.0,
        -0.0,
        f64::NAN,
        other_nan,
        -f64::NAN,
    ]));
    let groups = table.intern(&[keys], 5).expect("interns");
    assert_eq!(groups.ids, Some([0, 0, 1, 1, 1].as_slice()));
}

#[test]
fn a_renewed_key_finds_its_new_group() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None, Some(0)]));
    let strings: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("")]));
    for columns in [
        vec![Arc::clone(&numbers)],
        vec![Arc::clone(&strings)],
        vec![numbers, strings],
    ] {
        let types: Vec<DataType> = columns.iter().map(|c| c.data_type().clone()).collect();
        let mut table = GroupTable::new(&types).expect("keys");
        table.intern(&columns, 3).expect("interns");
        table.renew(&[0, 1]);
        let groups = table.intern(&columns, 3).expect("interns");
        assert_eq!(groups.ids, Some([3, 4, 2].as_slice()));
        assert_eq!(table.keys_of(&[3, 4, 2]).expect("keys"), columns);
        assert_eq!(table.len(), 5);
    }
    let mut global = GroupTable::new(&[]).expect("keys");
    global.intern(&[], 1).expect("interns");
    global.renew(&[0]);
    assert_eq!(global.len(), 0);
}

#[test]
fn without_keys_there_is_one_group_once_there_are_rows() {
    let mut table = GroupTable::new(&[]).expect("keys");
    assert_eq!(table.intern(&[], 0).expect("interns").total, 0);
    assert_eq!(table.intern(&[], 3).expect("interns").total, 1);
    assert_eq!(table.len(), 1);
}

#[test]
fn a_hundred_thousand_keys_keep_their_groups_while_the_table_grows() {
    let keys: Vec<i64> = (0..100_000).map(|i| i << 20).collect();
    let column: ArrayRef = Arc::new(Int64Array::from(keys));
    let mut table = GroupTable::new(&[DataType::Int64]).expect("keys");
    for _ in 0..2 {
        let groups = table
            .intern(std::slice::from_ref(&column), column.len())
            .expect("interns");
        assert!(groups.ids.expect("keys").iter().copied().eq(0..100_000));
    }
    assert_eq!(&table.keys(0..100_000).expect("keys")[0], &column);
}

proptest! {
    #[test]
    fn random_keys_find_their_groups_again(
        keys in prop::collection::vec((prop::option::of(-3_i64..40), prop::option::of("[ab]{0,3}")), 1..200)
    ) {
        let numbers: ArrayRef = Arc::new(keys.iter().map(|k| k.0).collect::<Int64Array>());
        let strings: ArrayRef = Arc::new(keys.iter().map(|k| k.1.clone()).collect::<StringArray>());
        check(&[vec![Arc::clone(&numbers)]]);
        check(&[vec![Arc::clone(&strings)]]);
        check(&[vec![numbers, strings]]);
    }
}
