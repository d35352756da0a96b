//! Files of sorted entries: what is written is read, and what is damaged is noticed.

use std::{collections::BTreeMap, io::Cursor, ops::Range};

use proptest::prelude::*;
use weir_model::{Failure, FailureClass};

use super::*;

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn written(entries: &Entries, compression: Compression) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, compression);
    for (key, value) in entries {
        writer.push(key, value).expect("ascends");
    }
    let written = writer.finish().expect("writes");
    assert_eq!(written.bytes, file.len() as u64);
    assert_eq!(written.crc32, crc32fast::hash(&file));
    assert_eq!(written.entries, entries.len() as u64);
    file
}

fn all(file: &[u8]) -> Result<Entries, Failure> {
    let mut entries = Entries::new();
    let mut reader = Reader::new(Cursor::new(file), "rows".to_owned())?;
    reader.scan_all(&mut |key, value| {
        entries.insert(key.to_vec(), value.to_vec());
        Ok(())
    })?;
    Ok(entries)
}

fn within(reader: &mut Reader<Cursor<&[u8]>>, ranges: &[Range<Vec<u8>>]) -> Entries {
    let mut entries = Entries::new();
    let mut each = |key: &[u8], value: &[u8]| {
        entries.insert(key.to_vec(), value.to_vec());
        Ok(())
    };
    reader.scan(ranges, &mut each).expect("reads");
    entries
}

/// Entries of many blocks: the values of some keys are larger than a block.
fn large() -> Entries {
    let value = |at: u32| match at % 50 {
        0 => vec![7; 100_000],
        _ => (0..900).map(|i: u32| (i.wrapping_mul(at) >> 3) as u8).collect(),
    };
    (0..400)
        .map(|at: u32| (at.to_be_bytes().to_vec(), value(at)))
        .collect()
}

fn small() -> Entries {
    let entry = |at: u8| (vec![0, at], vec![at; 20]);
    (0..6).map(entry).collect()
}

#[test]
fn what_is_written_is_read() {
    for entries in [Entries::new(), small(), large()] {
        for compression in [Compression::None, Compression::Lz4] {
            assert_eq!(all(&written(&entries, compression)), Ok(entries.clone()));
        }
    }
    let (plain, lz4) = (
        written(&large(), Compression::None),
        written(&large(), Compression::Lz4),
    );
    assert!(lz4.len() < plain.len() / 2, "{} and {}", lz4.len(), plain.len());
}

#[test]
fn keys_must_ascend() {
    let mut writer = Writer::new(Vec::new(), Compression::None);
    writer.push(b"b", b"").expect("the first one");
    assert!(writer.push(b"b", b"").is_err());
    assert!(writer.push(b"a", b"").is_err());
    writer.push(b"c", b"").expect("ascends");
}

#[test]
fn a_part_of_a_file_is_enough_for_the_keys_in_it() {
    let file = written(&large(), Compression::Lz4);
    let keys = 100_u32.to_be_bytes().to_vec()..201_u32.to_be_bytes().to_vec();
    let length = file.len() as u64;
    let footer = index::Footer::read(&file[file.len() - FOOTER_BYTES..], length).expect("a footer");
    let index = &file[footer.index.start as usize..footer.index.end as usize];
    let index = Index::read(index, &footer).expect("an index");
    let part = index.bytes_of(&keys);
    assert!(
        part.start > 0 && part.end < footer.index.start,
        "{part:?} of {length}"
    );
    let bytes = &file[part.start as usize..part.end as usize];
    let mut reader = Reader::of_part(Cursor::new(bytes), part.start, index, "rows".to_owned());
    let expected: Entries = large()
        .into_iter()
        .filter(|(key, _)| keys.contains(key))
        .collect();
    assert_eq!(within(&mut reader, &[keys]), expected);
    let outside = [vec![0; 4]..vec![0, 0, 0, 9]];
    assert!(
        reader.scan(&outside, &mut |_, _| Ok(())).is_err(),
        "not in this part"
    );
}

#[test]
fn every_truncation_is_noticed() {
    for compression in [Compression::None, Compression::Lz4] {
        let file = written(&small(), compression);
        for length in 0..file.len() {
            noticed(&file[..length], &format!("cut at {length} of {}", file.len()));
        }
        noticed(&[&file[..], b"x"].concat(), "a byte too many");
        noticed(&[&b"x"[..], &file].concat(), "a byte before it");
    }
}

#[test]
fn every_bit_that_flips_is_noticed() {
    for compression in [Compression::None, Compression::Lz4] {
        let mut file = written(&small(), compression);
        for bit in 0..file.len() * 8 {
            file[bit / 8] ^= 1 << (bit % 8);
            noticed(&file, &format!("bit {bit} flipped"));
            file[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

/// Damage is an error that names the file and is not the user's fault.
fn noticed(file: &[u8], what: &str) {
    let failure = all(file).expect_err(what);
    assert_eq!(failure.class, FailureClass::External, "{what}");
    assert!(failure.message.contains("state file rows"), "{what}: {failure}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn ranges_of_keys_are_those_of_a_map(
        entries in prop::collection::btree_map(prop::collection::vec(0..3_u8, 0..5), 0..40_000_usize, 0..40),
        bounds in prop::collection::btree_set(prop::collection::vec(0..3_u8, 0..4), 0..9),
    ) {
        let entries: Entries = entries.into_iter().map(|(key, size)| (key, vec![size as u8; size])).collect();
        let file = written(&entries, Compression::Lz4);
        let bounds: Vec<_> = bounds.into_iter().collect();
        let ranges: Vec<_> = bounds.chunks_exact(2).map(|pair| pair[0].clone()..pair[1].clone()).collect();
        let mut reader = Reader::new(Cursor::new(file.as_slice()), "rows".to_owned()).expect("opens");
        let within_any = |key: &Vec<u8>| ranges.iter().any(|range| range.contains(key));
        let expected: Entries = entries.into_iter().filter(|(key, _)| within_any(key)).collect();
        prop_assert_eq!(within(&mut reader, &ranges), expected);
    }
}
