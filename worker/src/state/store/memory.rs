//! A byte store in memory.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::BufWriter,
    ops::Range,
    path::Path,
};

use parking_lot::RwLock;
use weir_model::Failure;

use super::{Batch, Each, Store};
use crate::state::file::{Compression, Reader, Writer};

/// The one file of its checkpoints.
const FILE: &str = "rows";

/// Entries in memory.
#[derive(Debug, Default)]
pub struct Memory {
    entries: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Memory {
    /// Opens what a checkpoint holds.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let mut entries = BTreeMap::new();
        let path = folder.join(FILE);
        let mut reader = Reader::open(&path)?;
        reader.scan_all(&mut |key, value| {
            entries.insert(key.to_vec(), value.to_vec());
            Ok(())
        })?;
        Ok(Self {
            entries: RwLock::new(entries),
        })
    }
}

impl Store for Memory {
    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let entries = self.entries.read();
        Ok(keys.iter().map(|key| entries.get(*key).cloned()).collect())
    }

    fn scan(&self, ranges: &[Range<Vec<u8>>], each: &mut Each<'_>) -> Result<(), Failure> {
        let entries = self.entries.read();
        for range in ranges.iter().filter(|range| range.start < range.end) {
            for (key, value) in entries.range(range.clone()) {
                each(key, value)?;
            }
        }
        Ok(())
    }

    fn write(&self, batch: &mut Batch) -> Result<(), Failure> {
        batch.sort();
        let mut entries = self.entries.write();
        for (key, value) in batch.iter() {
            match value {
                Some(value) => entries.insert(key.to_vec(), value.to_vec()),
                None => entries.remove(key),
            };
        }
        Ok(())
    }

    fn checkpoint(&self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(FILE);
        let failed = |e| Failure::internal(format!("cannot write {}: {e}", path.display()));
        fs::create_dir(folder).map_err(failed)?;
        let file = BufWriter::new(File::create(&path).map_err(failed)?);
        let mut writer = Writer::new(file, Compression::Lz4);
        for (key, value) in &*self.entries.read() {
            writer.push(key, value).map_err(failed)?;
        }
        writer.finish().map(drop).map_err(failed)
    }

    fn bytes(&self) -> u64 {
        let entries = self.entries.read();
        let bytes = entries.iter().map(|(key, value)| key.len() + value.len());
        bytes.sum::<usize>() as u64
    }
}
