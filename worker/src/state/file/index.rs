//! Which block of a file is where.

use std::ops::Range;

use super::{Compression, FOOTER_BYTES, MAGIC, VERSION};

/// The blocks of a file, in their order.
#[derive(Debug)]
pub struct Index {
    pub(super) blocks: Vec<Block>,
    /// How many entries the file has.
    pub entries: u64,
}

/// A block of a file.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) first: Vec<u8>,
    pub(super) offset: u64,
    pub(super) stored: u32,
    pub(super) bytes: u32,
    pub(super) crc32: u32,
    pub(super) compression: Compression,
}

/// What the end of a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Where the index is.
    pub index: Range<u64>,
    index_crc32: u32,
    entries: u64,
}

impl Footer {
    /// Reads the footer, the last [`FOOTER_BYTES`] of a file of this length. The error says what is wrong.
    pub fn read(footer: &[u8], length: u64) -> Result<Self, String> {
        let body = footer
            .strip_suffix(&MAGIC)
            .filter(|body| body.len() + MAGIC.len() == FOOTER_BYTES)
            .ok_or("it does not end as such a file does")?;
        let mut fields = Fields(body);
        let (offset, entries) = (fields.u64()?, fields.u64()?);
        let (index_crc32, version, crc32) = (fields.u32()?, fields.u32()?, fields.u32()?);
        if crc32fast::hash(&body[..body.len() - 4]) != crc32 {
            return Err("the checksum of its footer is wrong".to_owned());
        }
        if version != VERSION {
            return Err(format!(
                "it has version {version}, and this version of Weir reads {VERSION}"
            ));
        }
        let end = length
            .checked_sub(FOOTER_BYTES as u64)
            .filter(|end| offset <= *end)
            .ok_or("its index is outside of it")?;
        Ok(Self {
            index: offset..end,
            index_crc32,
            entries,
        })
    }
}

impl Index {
    /// Reads the index, from the bytes where the footer says it is. The error says what is wrong.
    pub fn read(bytes: &[u8], footer: &Footer) -> Result<Self, String> {
        if crc32fast::hash(bytes) != footer.index_crc32 {
            return Err("the checksum of its index is wrong".to_owned());
        }
        let mut fields = Fields(bytes);
        let mut blocks = Vec::new();
        let mut end = 0;
        while !fields.0.is_empty() {
            let block = Block::read(&mut fields)?;
            if block.offset != end {
                return Err(format!("no block begins at its byte {end}"));
            }
            end += u64::from(block.stored);
            blocks.push(block);
        }
        if end != footer.index.start {
            return Err(format!("no block begins at its byte {end}"));
        }
        Ok(Self {
            blocks,
            entries: footer.entries,
        })
    }

    /// The bytes of the blocks in which keys of this range may be.
    pub fn bytes_of(&self, keys: &Range<Vec<u8>>) -> Range<u64> {
        let blocks = &self.blocks[self.blocks_of(keys)];
        match (blocks.first(), blocks.last()) {
            (Some(first), Some(last)) => first.offset..last.offset + u64::from(last.stored),
            _ => 0..0,
        }
    }

    /// The blocks in which keys of this range may be.
    pub(super) fn blocks_of(&self, keys: &Range<Vec<u8>>) -> Range<usize> {
        // The last block that begins at or before the range may reach into it.
        let start = self.blocks.partition_point(|block| block.first <= keys.start);
        let end = self.blocks.partition_point(|block| block.first < keys.end);
        start.saturating_sub(1)..end.max(start.saturating_sub(1))
    }
}

impl Block {
    fn read(fields: &mut Fields<'_>) -> Result<Self, String> {
        let (offset, stored, bytes, crc32) = (fields.u64()?, fields.u32()?, fields.u32()?, fields.u32()?);
        let compression = match fields.take(1)? {
            [0] => Compression::None,
            [1] => Compression::Lz4,
            other => return Err(format!("a block is compressed in an unknown way, {}", other[0])),
        };
        let key = fields.u32()? as usize;
        Ok(Self {
            first: fields.take(key)?.to_vec(),
            offset,
            stored,
            bytes,
            crc32,
            compression,
        })
    }
}

/// Bytes from which fields are taken, one by one.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, bytes: usize) -> Result<&'a [u8], String> {
        let (field, rest) = self.0.split_at_checked(bytes).ok_or("it ends within a field")?;
        self.0 = rest;
        Ok(field)
    }

    pub(super) fn u32(&mut self) -> Result<u32, String> {
        let (field, rest) = self.0.split_first_chunk().ok_or("it ends within a number")?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*field))
    }

    fn u64(&mut self) -> Result<u64, String> {
        let (field, rest) = self.0.split_first_chunk().ok_or("it ends within a number")?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*field))
    }
}
