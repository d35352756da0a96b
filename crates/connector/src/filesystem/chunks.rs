//! A file's bytes, unpacked and read ahead.

use std::io::{self, Read};

use tokio::task::JoinHandle;

use super::{compression::Compression, split::FileSplit, store::Store};

/// Large enough that handing over costs nothing, small enough that decoding one takes a few milliseconds.
const CHUNK_BYTES: usize = 1 << 20;

type Bytes = Box<dyn Read + Send>;

/// A file and the chunk that was read from it; an empty chunk at its end.
type Outcome = io::Result<(Bytes, Vec<u8>)>;

/// The bytes of a file from an offset on.
///
/// Reads, and unpacking, happen on the blocking pool, one chunk ahead of what was asked for: a slow disk holds up no other
/// task, and unpacking overlaps with decoding.
pub(super) struct Chunks {
    /// None at the end of the file.
    reading: Option<JoinHandle<Outcome>>,
}

impl Chunks {
    /// Opens the file; `offset` counts unpacked bytes.
    pub(super) fn open(store: &Store, file: &FileSplit, offset: u64) -> Self {
        let (store, file) = (store.clone(), file.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let bytes = match Compression::of_file(&file.path) {
                Compression::None => store.open(&file, offset)?,
                packed => packed.unpack(store.open(&file, 0)?, offset)?,
            };
            read_chunk(bytes, Vec::with_capacity(CHUNK_BYTES))
        });
        Self {
            reading: Some(reading),
        }
    }

    /// Appends the next chunk to `buffer`; false at the end of the file. Cancel-safe.
    pub(super) async fn append_to(&mut self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        let Some(reading) = &mut self.reading else {
            return Ok(false);
        };
        let read = reading.await.map_err(io::Error::other)?;
        self.reading = None;
        let (bytes, mut chunk) = read?;
        if chunk.is_empty() {
            return Ok(false);
        }
        buffer.extend_from_slice(&chunk);
        self.reading = Some(tokio::task::spawn_blocking(move || {
            chunk.clear();
            read_chunk(bytes, chunk)
        }));
        Ok(true)
    }
}

fn read_chunk(mut bytes: Bytes, mut chunk: Vec<u8>) -> Outcome {
    bytes.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
    Ok((bytes, chunk))
}
