//! Reads ranges of keys from files of sorted entries.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
};

use weir_model::Failure;

use super::{
    Compression, FOOTER_BYTES, Index,
    index::{Block, Fields, Footer},
};
use crate::state::store::Each;

/// A file, or the part of it in which some blocks are. Holds one block in memory, and the index.
pub struct Reader<R> {
    source: R,
    /// Which byte of the file is the first one of the source.
    from: u64,
    index: Index,
    /// What the file is called.
    name: String,
    /// Which block was read last, and what is in it.
    block: Option<(usize, Vec<u8>)>,
    stored: Vec<u8>,
}

impl Reader<File> {
    /// Opens a file on this machine.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| unreadable(&name, &e))?;
        Self::new(file, name)
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the index of a whole file. Its name is for messages.
    pub fn new(mut source: R, name: String) -> Result<Self, Failure> {
        let failed = |e| unreadable(&name, &e);
        let length = source.seek(SeekFrom::End(0)).map_err(failed)?;
        let start = length.saturating_sub(FOOTER_BYTES as u64);
        let footer = exactly(&mut source, start, (length - start) as usize).map_err(failed)?;
        let footer = Footer::read(&footer, length).map_err(|e| damaged(&name, &e))?;
        let Range { start, end } = footer.index;
        let index = exactly(&mut source, start, (end - start) as usize).map_err(failed)?;
        let index = Index::read(&index, &footer).map_err(|e| damaged(&name, &e))?;
        Ok(Self::of_part(source, 0, index, name))
    }

    /// Reads a part of a file: the source begins with the file's byte `from`, and has all blocks that will be asked for.
    pub fn of_part(source: R, from: u64, index: Index, name: String) -> Self {
        Self {
            source,
            from,
            index,
            name,
            block: None,
            stored: Vec::new(),
        }
    }

    /// Hands on the entries of these ranges of keys, which ascend and do not overlap, in the order of their keys.
    pub fn scan(&mut self, ranges: &[Range<Vec<u8>>], each: &mut Each<'_>) -> Result<(), Failure> {
        for range in ranges.iter().filter(|range| range.start < range.end) {
            for block in self.index.blocks_of(range) {
                self.load(block)?;
                self.entries_of_block(&mut |key, value| {
                    let is_within = key >= range.start.as_slice() && key < range.end.as_slice();
                    if is_within { each(key, value) } else { Ok(()) }
                })?;
            }
        }
        Ok(())
    }

    /// Hands on all entries, in the order of their keys; checks that there are as many as there should be.
    pub fn scan_all(&mut self, each: &mut Each<'_>) -> Result<(), Failure> {
        let mut entries = 0;
        for block in 0..self.index.blocks.len() {
            self.load(block)?;
            self.entries_of_block(&mut |key, value| {
                entries += 1;
                each(key, value)
            })?;
        }
        if entries != self.index.entries {
            let what = format!("it has {entries} entries of {}", self.index.entries);
            return Err(damaged(&self.name, &what));
        }
        Ok(())
    }

    fn load(&mut self, at: usize) -> Result<(), Failure> {
        if self.block.as_ref().is_some_and(|(loaded, _)| *loaded == at) {
            return Ok(());
        }
        let mut bytes = self.block.take().map(|(_, bytes)| bytes).unwrap_or_default();
        let block = &self.index.blocks[at];
        self.stored.resize(block.stored as usize, 0);
        let read = block
            .offset
            .checked_sub(self.from)
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
            .and_then(|offset| self.source.seek(SeekFrom::Start(offset)))
            .and_then(|_| self.source.read_exact(&mut self.stored));
        read.map_err(|e| unreadable(&self.name, &e))?;
        unpack(block, &self.stored, &mut bytes).map_err(|e| {
            damaged(
                &self.name,
                &format!("{e}, in the block at its byte {}", block.offset),
            )
        })?;
        self.block = Some((at, bytes));
        Ok(())
    }

    fn entries_of_block(&self, each: &mut Each<'_>) -> Result<(), Failure> {
        let mut fields = Fields(self.block.as_ref().map_or(&[], |(_, bytes)| bytes));
        while !fields.0.is_empty() {
            let (key, value) = entry(&mut fields).map_err(|e| damaged(&self.name, &e))?;
            each(key, value)?;
        }
        Ok(())
    }
}

/// Walks through all entries of a whole file, in the order of their keys.
pub struct Cursor<R> {
    reader: Reader<R>,
    next_block: usize,
    /// In the block at hand: where the next entry begins, and where this one's key and value are.
    next: usize,
    key: Range<usize>,
    value: Range<usize>,
}

impl<R: Read + Seek> Cursor<R> {
    /// Before the first entry.
    pub fn new(reader: Reader<R>) -> Self {
        Self {
            reader,
            next_block: 0,
            next: 0,
            key: 0..0,
            value: 0..0,
        }
    }

    /// Goes on to the next entry, if there is one.
    pub fn advance(&mut self) -> Result<bool, Failure> {
        while self.next == self.block().len() {
            if self.next_block == self.reader.index.blocks.len() {
                return Ok(false);
            }
            self.reader.load(self.next_block)?;
            self.next_block += 1;
            self.next = 0;
        }
        let mut fields = Fields(&self.block()[self.next..]);
        let (key, value) = entry(&mut fields).map_err(|e| damaged(&self.reader.name, &e))?;
        let (key, value) = (key.len(), value.len());
        let start = self.next + ENTRY_HEAD_BYTES;
        self.key = start..start + key;
        self.value = start + key..start + key + value;
        self.next = self.value.end;
        Ok(true)
    }

    /// The key of the entry at hand.
    pub fn key(&self) -> &[u8] {
        &self.block()[self.key.clone()]
    }

    /// Its value.
    pub fn value(&self) -> &[u8] {
        &self.block()[self.value.clone()]
    }

    fn block(&self) -> &[u8] {
        self.reader.block.as_ref().map_or(&[], |(_, bytes)| bytes)
    }
}

/// The lengths before a key and its value.
const ENTRY_HEAD_BYTES: usize = 8;

fn entry<'a>(fields: &mut Fields<'a>) -> Result<(&'a [u8], &'a [u8]), String> {
    let (key, value) = (fields.u32()? as usize, fields.u32()? as usize);
    Ok((fields.take(key)?, fields.take(value)?))
}

fn unpack(block: &Block, stored: &[u8], bytes: &mut Vec<u8>) -> Result<(), String> {
    if crc32fast::hash(stored) != block.crc32 {
        return Err("a checksum is wrong".to_owned());
    }
    bytes.resize(block.bytes as usize, 0);
    let length = match block.compression {
        Compression::Lz4 => lz4_flex::block::decompress_into(stored, bytes).map_err(|e| e.to_string())?,
        Compression::None if stored.len() == bytes.len() => {
            bytes.copy_from_slice(stored);
            stored.len()
        }
        Compression::None => stored.len(),
    };
    if length != bytes.len() {
        return Err(format!("{length} bytes of {}", bytes.len()));
    }
    Ok(())
}

fn exactly(source: &mut (impl Read + Seek), from: u64, bytes: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; bytes];
    source.seek(SeekFrom::Start(from))?;
    source.read_exact(&mut buffer)?;
    Ok(buffer)
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::external(format!("cannot read the state file {name}: {error}"))
}

/// A file is not as it was written.
pub(in crate::state) fn damaged(name: &str, what: &str) -> Failure {
    Failure::external(format!("the state file {name} is damaged: {what}"))
}
