//! Sorts rows into one file, more of them than there is memory for.

use std::{
    collections::{BinaryHeap, binary_heap::PeekMut},
    fs::File,
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use weir_model::Failure;

use super::local::Scratch;
use crate::state::{
    file::{Compression, Cursor, Reader, Writer},
    store::Batch,
};

/// Sorted runs on the disk, and the last one in memory.
pub(super) struct Runs {
    path: PathBuf,
    written: Vec<Scratch>,
    last: Option<Batch>,
}

impl Runs {
    /// No rows yet; they will be in a file of this path.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            written: Vec::new(),
            last: None,
        }
    }

    /// Adds rows. Of those of one key the last one counts.
    pub(super) fn add(&mut self, rows: Batch) -> Result<(), Failure> {
        if let Some(before) = self.last.replace(rows) {
            self.spill(before)?;
        }
        Ok(())
    }

    /// The file of all rows; none if there are none.
    pub(super) fn finish(mut self) -> Result<Option<Scratch>, Failure> {
        let Some(mut last) = self.last.take() else {
            return Ok(None);
        };
        let file = Scratch::new(self.path.clone());
        if self.written.is_empty() {
            let written = write(&mut last, file.path());
            written.map_err(|e| unwritable(file.path(), &e))?;
        } else {
            self.spill(last)?;
            merge(&self.written, file.path())?;
        }
        Ok(Some(file))
    }

    fn spill(&mut self, mut rows: Batch) -> Result<(), Failure> {
        let mut path = self.path.clone().into_os_string();
        path.push(format!("-{}", self.written.len()));
        let run = Scratch::new(path.into());
        write(&mut rows, run.path()).map_err(|e| unwritable(run.path(), &e))?;
        self.written.push(run);
        Ok(())
    }
}

fn write(rows: &mut Batch, path: &Path) -> io::Result<()> {
    rows.sort();
    let mut writer = Writer::new(BufWriter::new(File::create(path)?), Compression::Lz4);
    for (key, value) in rows.iter() {
        // All rows are written down, so none of before can be there that is deleted.
        if let Some(value) = value {
            writer.push(key, value)?;
        }
    }
    writer.finish().map(drop)
}

/// The next key of a run. The smallest one is the greatest: heaps begin with that.
#[derive(PartialEq, Eq)]
struct Head {
    key: Vec<u8>,
    run: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let later_run_first = self.run.cmp(&other.run);
        other.key.cmp(&self.key).then(later_run_first)
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

fn merge(runs: &[Scratch], path: &Path) -> Result<(), Failure> {
    let failed = |e: io::Error| unwritable(path, &e);
    let file = File::create(path).map_err(failed)?;
    let mut writer = Writer::new(BufWriter::new(file), Compression::Lz4);
    let (mut cursors, mut heads) = (Vec::new(), BinaryHeap::new());
    for (run, written) in runs.iter().enumerate() {
        let mut cursor = Cursor::new(Reader::open(written.path())?);
        if cursor.advance()? {
            let key = cursor.key().to_vec();
            heads.push(Head { key, run });
        }
        cursors.push(cursor);
    }
    let mut last: Option<Vec<u8>> = None;
    while let Some(mut head) = heads.peek_mut() {
        let cursor = &mut cursors[head.run];
        if last.as_ref() != Some(&head.key) {
            writer.push(cursor.key(), cursor.value()).map_err(failed)?;
            last.get_or_insert_default().clone_from(&head.key);
        }
        if cursor.advance()? {
            head.key.clear();
            head.key.extend_from_slice(cursor.key());
        } else {
            PeekMut::pop(head);
        }
    }
    writer.finish().map(drop).map_err(failed)
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::internal(format!("cannot write state to {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn runs_become_one_file_of_the_last_row_of_each_key(
            runs in prop::collection::vec(
                prop::collection::vec((prop::collection::vec(0..6_u8, 0..4), 0..50_000_usize), 1..12),
                0..6,
            ),
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            let mut all = Runs::new(folder.path().join("rows"));
            let mut expected = BTreeMap::new();
            for (number, run) in (0..).zip(runs) {
                let mut batch = Batch::default();
                for (key, length) in run {
                    let value = vec![number; length];
                    batch.put(&key, &value);
                    expected.insert(key, value);
                }
                all.add(batch).expect("is written");
            }
            let file = all.finish().expect("is written");
            prop_assert_eq!(file.is_some(), !expected.is_empty());
            if let Some(file) = &file {
                let mut rows = BTreeMap::new();
                let mut reader = Reader::open(file.path()).expect("opens");
                reader.scan_all(&mut |key, value| {
                    rows.insert(key.to_vec(), value.to_vec());
                    Ok(())
                }).expect("is read");
                prop_assert_eq!(rows, expected);
                prop_assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "runs are removed");
            }
            drop(file);
            prop_assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        }
    }
}
