//! Both stores give the same answers, whatever their history.

use std::{collections::BTreeMap, path::Path};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::state::MemoryBudget;

#[derive(Clone, Debug)]
enum Step {
    /// Puts, or deletes where there is no value.
    Write(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    /// So many keys from this one on, with values that are large enough for a file of their own.
    WriteMany(u16, u16),
    Read(Vec<Vec<u8>>),
    Scan(Vec<Range<Vec<u8>>>),
    /// A checkpoint, from which the stores are opened anew.
    Reopen,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0..4_u8, 0..4)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..20)
}

fn ranges() -> impl Strategy<Value = Vec<Range<Vec<u8>>>> {
    let bounds = prop::collection::btree_set(key(), 0..7);
    bounds.prop_map(|bounds| {
        let bounds: Vec<_> = bounds.into_iter().collect();
        let pairs = bounds.chunks_exact(2);
        pairs.map(|pair| pair[0].clone()..pair[1].clone()).collect()
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec((key(), prop::option::of(value())), 0..20).prop_map(Step::Write),
        1 => (0..400_u16, 300..400_u16).prop_map(|(from, count)| Step::WriteMany(from, count)),
        2 => prop::collection::vec(key(), 0..5).prop_map(Step::Read),
        2 => ranges().prop_map(Step::Scan),
        1 => Just(Step::Reopen),
    ]
}

/// A kind of store, opened in a folder.
type Open = fn(&Path) -> Box<dyn Store>;

fn rocks(folder: &Path) -> Box<dyn Store> {
    let memory = MemoryBudget::new(64 << 20);
    Box::new(Rocks::open(folder, &memory).expect("opens"))
}

fn memory(folder: &Path) -> Box<dyn Store> {
    if folder.exists() {
        return Box::new(Memory::open(folder).expect("opens"));
    }
    Box::new(Memory::default())
}

fn batch(writes: &[(Vec<u8>, Option<Vec<u8>>)]) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in writes {
        match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        }
    }
    batch
}

fn many(from: u16, count: u16) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let value = |at: u16| (!at.is_multiple_of(7)).then(|| vec![at as u8; 4096]);
    let numbers = (from..from + count).rev();
    numbers.map(|at| (at.to_be_bytes().to_vec(), value(at))).collect()
}

/// Runs a history and holds every answer against a map.
fn check(open: Open, steps: &[Step]) {
    let folder = TempDir::new().expect("a folder");
    let mut place = folder.path().join("0");
    let mut store = open(&place);
    let mut model = BTreeMap::new();
    for (number, step) in (1..).zip(steps) {
        match step {
            Step::Write(writes) => write(&*store, &mut model, writes),
            Step::WriteMany(from, count) => write(&*store, &mut model, &many(*from, *count)),
            Step::Read(keys) => {
                let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
                let values = store.get_many(&keys).expect("reads");
                let expected: Vec<_> = keys.iter().map(|key| model.get(*key).cloned()).collect();
                assert_eq!(values, expected);
            }
            Step::Scan(ranges) => assert_eq!(scanned(&*store, ranges), within(&model, ranges)),
            Step::Reopen => {
                place = folder.path().join(number.to_string());
                store.checkpoint(&place).expect("a checkpoint");
                // What comes after the checkpoint is not in it.
                store
                    .write(&mut batch(&[(vec![9], Some(vec![9]))]))
                    .expect("writes");
                store = open(&place);
            }
        }
    }
    let all = vec![Vec::new()..vec![u8::MAX; 3]];
    assert_eq!(scanned(&*store, &all), within(&model, &all));
}

fn write(store: &dyn Store, model: &mut BTreeMap<Vec<u8>, Vec<u8>>, writes: &[(Vec<u8>, Option<Vec<u8>>)]) {
    store.write(&mut batch(writes)).expect("writes");
    for (key, value) in writes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

fn scanned(store: &dyn Store, ranges: &[Range<Vec<u8>>]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    let mut each = |key: &[u8], value: &[u8]| {
        entries.push((key.to_vec(), value.to_vec()));
        Ok(())
    };
    store.scan(ranges, &mut each).expect("scans");
    entries
}

fn within(model: &BTreeMap<Vec<u8>, Vec<u8>>, ranges: &[Range<Vec<u8>>]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let within = |key: &Vec<u8>| ranges.iter().any(|range| range.contains(key));
    let entries = model.iter().filter(|(key, _)| within(key));
    entries.map(|(key, value)| (key.clone(), value.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_store_in_memory_is_a_map(steps in prop::collection::vec(step(), 1..20)) {
        check(memory, &steps);
    }

    #[test]
    fn a_store_in_rocksdb_is_a_map(steps in prop::collection::vec(step(), 1..20)) {
        check(rocks, &steps);
    }
}

#[test]
fn a_failure_of_the_reader_ends_a_scan() {
    let folder = TempDir::new().expect("a folder");
    for open in [memory as Open, rocks as Open] {
        let store = open(&folder.path().join("db"));
        store.write(&mut batch(&many(0, 10))).expect("writes");
        let mut seen = 0;
        let scan = store.scan(&[vec![0]..vec![1]], &mut |_, _| {
            seen += 1;
            Err(Failure::internal("enough"))
        });
        assert_eq!((scan, seen), (Err(Failure::internal("enough")), 1));
    }
}
