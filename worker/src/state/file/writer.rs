//! Makes files of sorted entries.

use std::io::{self, Write};

use crc32fast::Hasher;

use super::{Compression, MAGIC, VERSION};

/// What a block has before it is compressed, unless one entry has more.
const BLOCK_BYTES: usize = 64 << 10;

/// A file that is being written.
pub struct Writer<W> {
    out: W,
    compression: Compression,
    /// Of all that is written.
    hasher: Hasher,
    written: u64,
    block: Vec<u8>,
    /// The first key of the block.
    first: Vec<u8>,
    last: Vec<u8>,
    index: Vec<u8>,
    entries: u64,
}

/// A file that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its length.
    pub bytes: u64,
    /// CRC-32 (IEEE) of all of it.
    pub crc32: u32,
    /// How many entries it has.
    pub entries: u64,
}

impl<W: Write> Writer<W> {
    /// A file with no entries yet. Blocks that compression makes no smaller are stored as they are.
    pub fn new(out: W, compression: Compression) -> Self {
        Self {
            out,
            compression,
            hasher: Hasher::new(),
            written: 0,
            block: Vec::with_capacity(BLOCK_BYTES * 2),
            first: Vec::new(),
            last: Vec::new(),
            index: Vec::new(),
            entries: 0,
        }
    }

    /// Adds an entry, whose key is greater than all before.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if self.entries > 0 && key <= self.last.as_slice() {
            return Err(invalid("keys of state do not ascend"));
        }
        if self.block.is_empty() {
            replace(&mut self.first, key);
        }
        replace(&mut self.last, key);
        self.block.extend_from_slice(&length(key)?.to_le_bytes());
        self.block.extend_from_slice(&length(value)?.to_le_bytes());
        self.block.extend_from_slice(key);
        self.block.extend_from_slice(value);
        self.entries += 1;
        if self.block.len() >= BLOCK_BYTES {
            self.end_block()?;
        }
        Ok(())
    }

    /// Ends the file, and says what was written.
    pub fn finish(mut self) -> io::Result<Written> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let offset = self.written;
        let index = std::mem::take(&mut self.index);
        self.write(&index)?;
        let mut footer = Vec::with_capacity(super::FOOTER_BYTES);
        footer.extend_from_slice(&offset.to_le_bytes());
        footer.extend_from_slice(&self.entries.to_le_bytes());
        footer.extend_from_slice(&crc32fast::hash(&index).to_le_bytes());
        footer.extend_from_slice(&VERSION.to_le_bytes());
        let crc32 = crc32fast::hash(&footer);
        footer.extend_from_slice(&crc32.to_le_bytes());
        footer.extend_from_slice(&MAGIC);
        self.write(&footer)?;
        self.out.flush()?;
        Ok(Written {
            bytes: self.written,
            crc32: self.hasher.finalize(),
            entries: self.entries,
        })
    }

    fn end_block(&mut self) -> io::Result<()> {
        let block = std::mem::take(&mut self.block);
        let compressed = match self.compression {
            Compression::Lz4 => Some(lz4_flex::block::compress(&block)),
            Compression::None => None,
        };
        let smaller = compressed.filter(|compressed| compressed.len() < block.len());
        let (stored, compression) = match &smaller {
            Some(compressed) => (compressed.as_slice(), Compression::Lz4),
            None => (block.as_slice(), Compression::None),
        };
        self.index.extend_from_slice(&self.written.to_le_bytes());
        self.index.extend_from_slice(&length(stored)?.to_le_bytes());
        self.index.extend_from_slice(&length(&block)?.to_le_bytes());
        self.index
            .extend_from_slice(&crc32fast::hash(stored).to_le_bytes());
        self.index.push(compression as u8);
        self.index.extend_from_slice(&length(&self.first)?.to_le_bytes());
        self.index.extend_from_slice(&self.first);
        self.write(stored)?;
        self.block = block;
        self.block.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }
}

fn replace(bytes: &mut Vec<u8>, with: &[u8]) {
    bytes.clear();
    bytes.extend_from_slice(with);
}

fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| invalid("a row of state is larger than 4 GiB"))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
