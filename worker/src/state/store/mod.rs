//! The byte store: keys and values in the order of the keys, read and written in batches.
//!
//! - [`batch`]: puts and deletes as one block of bytes. Leans on nothing.
//! - [`memory`]: a store in memory. Leans on `batch` and state files.
//! - [`rocks`]: a store in a RocksDB database. Leans on `batch`.

pub mod batch;
pub mod memory;
pub mod rocks;
#[cfg(test)]
mod tests;

use std::{ops::Range, path::Path};

use weir_model::Failure;

pub use batch::Batch;
pub use memory::Memory;
pub use rocks::Rocks;

/// What is done with an entry: its key and its value.
pub type Each<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), Failure> + 'a;

/// Entries found by key. What is written is seen by every later call; what of it outlives the process is what a checkpoint holds.
///
/// Calls block on the disk: none of them belongs on a thread that runs tasks.
pub trait Store: Send + Sync {
    /// The values of these keys, in their order; none where there is no such key.
    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, Failure>;

    /// Hands on the entries of these ranges of keys, which ascend and do not overlap, in the order of their keys. A failure of `each`
    /// ends it and is returned.
    fn scan(&self, ranges: &[Range<Vec<u8>>], each: &mut Each<'_>) -> Result<(), Failure>;

    /// The same, of ranges that have few entries each.
    fn scan_few(&self, ranges: &[Range<Vec<u8>>], each: &mut Each<'_>) -> Result<(), Failure> {
        self.scan(ranges, each)
    }

    /// Puts and deletes, in one go; sorts the batch.
    fn write(&self, batch: &mut Batch) -> Result<(), Failure>;

    /// Makes a folder, which is not there yet, with files from which a store of its kind is opened as it is now.
    fn checkpoint(&self, folder: &Path) -> Result<(), Failure>;

    /// How large it is about, in bytes.
    fn bytes(&self) -> u64;
}
