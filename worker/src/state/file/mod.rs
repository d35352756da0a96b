//! Weir's own files of state: entries in the order of their keys.
//!
//! A file is blocks, an index of them, and a footer of fixed length:
//!
//! ```text
//! block    entries: length of key u32, length of value u32, key, value; compressed as a whole
//! index    per block: offset u64, bytes u32, bytes before compression u32, CRC-32 of what is stored u32, compression u8,
//!          length of first key u32, first key
//! footer   offset of the index u64, number of entries u64, CRC-32 of the index u32, version u32,
//!          CRC-32 of the footer so far u32, magic
//! ```
//!
//! Numbers are little-endian. Blocks stand one behind the other from the first byte on, and the index behind the last one, so that no
//! byte is without a checksum. Savepoints are made of these files: older versions of the format stay readable.
//!
//! - [`writer`]: makes them. Leans on nothing.
//! - [`index`]: which block is where. Leans on nothing.
//! - [`reader`]: reads ranges of keys. Leans on `index`.

pub mod index;
pub mod reader;
#[cfg(test)]
mod tests;
pub mod writer;

pub use index::Index;
pub use reader::{Cursor, Reader};
pub use writer::{Writer, Written};

/// How they begin to end.
const MAGIC: [u8; 8] = *b"WEIRROWS";
/// The version of the format. A file with another one is refused.
const VERSION: u32 = 1;
/// The length of the footer.
pub const FOOTER_BYTES: usize = 36;

/// How a block is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    None = 0,
    /// LZ4 in its block format.
    Lz4 = 1,
}
