//! Reads a file, or a range of it, as a text of records.

use std::{io, sync::Arc};

use arrow_array::RecordBatch;
use object_store::Error as StoreError;

use super::{chunks::Chunks, compression::Compression, split::FileSplit, store::Store};
use crate::{
    ConnectorError, SourceContext,
    dead_letter::{DeadLetter, DeadLetters, ENOUGH_BYTES},
    format::{BadRecord, Decoder, Input, MAX_RECORD_BYTES, Taken},
    source::SourceCounters,
};

/// A batch ends here even if it has few rows, so that long rows don't pile up.
pub(super) const MAX_BATCH_BYTES: u64 = 8 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A file that is being decoded.
pub(super) struct TextFile {
    store: Store,
    chunks: Chunks,
    decoder: Box<dyn Decoder>,
    /// Rows to aim at per batch.
    batch_rows: usize,
    counters: Arc<SourceCounters>,
    dead_letters: Option<Arc<DeadLetters>>,
    /// Records that could not be read, and go elsewhere with the next rows.
    letters: Vec<DeadLetter>,
    letter_bytes: usize,
    /// Bytes read, of which `taken` are decoded.
    buffer: Vec<u8>,
    taken: usize,
    /// Where the first byte not taken lies in the file.
    offset: u64,
    /// Which line it belongs to, from 1, if known.
    line: Option<u64>,
    /// The offset after the last batch.
    batch_start: u64,
    at_end: bool,
    begun: Begun,
}

/// What must be stepped over before the first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    /// At the start of a file: perhaps a byte order mark.
    AtFileStart,
    /// At the start of a file whose records are read from there on, once its head is known.
    BeforeHead {
        position: u64,
    },
    /// In the last byte before a range: the rest of a line that belongs to the range before.
    WithinLine,
    AtRecord,
}

impl TextFile {
    /// Opens the file of a split at its position.
    pub(super) fn open(
        store: &Store,
        split: &FileSplit,
        mut decoder: Box<dyn Decoder>,
        context: &SourceContext,
    ) -> Self {
        let (offset, begun) = match (split.position, split.start) {
            (Some(0), _) | (None, 0) => (0, Begun::AtFileStart),
            (Some(position), _) if needs_head(decoder.as_mut()) => (0, Begun::BeforeHead { position }),
            (Some(position), _) => (position, Begun::AtRecord),
            (None, start) => (start - 1, Begun::WithinLine),
        };
        Self {
            store: store.clone(),
            chunks: Chunks::open(store, split, offset),
            line: split.line.filter(|_| decoder.has_lines()),
            decoder,
            batch_rows: context.batch_rows,
            counters: Arc::clone(&context.counters),
            dead_letters: context.dead_letters.clone(),
            letters: Vec::new(),
            letter_bytes: 0,
            buffer: Vec::new(),
            taken: 0,
            offset,
            batch_start: offset,
            at_end: false,
            begun,
        }
    }

    /// The next rows, with the split moved behind them; none at its end. Cancel-safe.
    pub(super) async fn next(
        &mut self,
        split: &mut FileSplit,
    ) -> Result<Option<RecordBatch>, ConnectorError> {
        loop {
            if (!self.buffer.is_empty() || self.at_end) && self.decode(split)? {
                return self.rows(split);
            }
            if let Err(error) = self.read_on().await {
                return Err(read_error(split, &error));
            }
        }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    fn take(&mut self, bytes: usize, lines: u64) {
        self.taken += bytes;
        self.offset += bytes as u64;
        self.line = self.line.map(|line| line + lines);
    }

    /// Steps over what precedes the first record, as far as it was read.
    fn begin(&mut self, split: &FileSplit) -> Result<(), BadRecord> {
        match self.begun {
            Begun::AtRecord => {}
            Begun::BeforeHead { position } => {
                let input = Input {
                    bytes: &self.buffer[self.taken..],
                    at_end: self.at_end,
                    stop: usize::MAX,
                };
                if self.decoder.read_head(input)?.is_some() {
                    self.chunks = Chunks::open(&self.store, split, position);
                    self.buffer.clear();
                    (self.taken, self.at_end) = (0, false);
                    (self.offset, self.batch_start) = (position, position);
                    self.begun = Begun::AtRecord;
                }
            }
            Begun::AtFileStart if self.buffer.len() < BYTE_ORDER_MARK.len() && !self.at_end => {}
            Begun::AtFileStart => {
                if self.decoder.has_lines() && self.rest().starts_with(BYTE_ORDER_MARK) {
                    self.take(BYTE_ORDER_MARK.len(), 0);
                }
                self.decoder.begin_file();
                self.begun = Begun::AtRecord;
            }
            Begun::WithinLine => match memchr::memchr(b'\n', self.rest()) {
                Some(end) => {
                    self.take(end + 1, 1);
                    self.begun = Begun::AtRecord;
                }
                None => self.take(self.rest().len(), 0),
            },
        }
        if self.begun == Begun::AtRecord && self.batch_start < self.offset && self.decoder.rows() == 0 {
            self.batch_start = self.offset;
        }
        Ok(())
    }

    /// Where a record stands.
    fn place(&self, split: &FileSplit, bad: &BadRecord) -> String {
        let line = self.line.map(|line| line + bad.line);
        split.place(line, self.offset + bad.offset as u64)
    }

    /// The error of a record at its place.
    fn refuse(&self, split: &FileSplit, bad: BadRecord) -> ConnectorError {
        let place = self.place(split, &bad);
        ConnectorError::user(bad.reason).at(place)
    }

    /// Keeps a record of so many bytes that cannot be read; reading goes on behind it.
    fn step_over(&mut self, split: &FileSplit, len: usize, bad: BadRecord) {
        let place = self.place(split, &bad);
        let record = self.rest()[bad.offset..bad.offset + len].to_vec();
        let lines = memchr::memchr_iter(b'\n', &record).count() as u64;
        self.take(bad.offset + len, bad.line + lines);
        self.counters.skipped(1);
        self.letter_bytes += record.trim_ascii_end().len();
        self.letters.push(DeadLetter {
            record: record.trim_ascii_end().to_vec(),
            error: bad.reason,
            place,
        });
    }

    async fn read_on(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.at_end = !self.chunks.append_to(&mut self.buffer).await?;
        Ok(())
    }

    /// Decodes what was read; true when a batch is ready or the split has no more rows.
    fn decode(&mut self, split: &FileSplit) -> Result<bool, ConnectorError> {
        self.begin(split).map_err(|bad| self.refuse(split, bad))?;
        if self.begun != Begun::AtRecord {
            return Ok(self.at_end);
        }
        let taken = self.decode_records(split)?;
        self.take(taken.bytes, taken.lines);
        if taken.skipped > 0 {
            self.counters.skipped(taken.skipped);
        }
        let rows = self.decoder.rows();
        if self.rest().len() > MAX_RECORD_BYTES
            && taken.bytes == 0
            && self.letters.is_empty()
            && rows < self.batch_rows
        {
            let reason = format!("a record is longer than {} MiB", MAX_RECORD_BYTES >> 20);
            return Err(ConnectorError::user(reason).at(split.place(self.line, self.offset)));
        }
        Ok(rows >= self.batch_rows
            || self.letter_bytes >= ENOUGH_BYTES
            || (self.offset - self.batch_start >= MAX_BATCH_BYTES && rows > 0)
            || split.end.is_some_and(|end| self.offset >= end)
            || self.at_end)
    }

    /// Decodes, and steps over records that cannot be read if they go elsewhere.
    fn decode_records(&mut self, split: &FileSplit) -> Result<Taken, ConnectorError> {
        loop {
            let stop = split
                .end
                .map_or(usize::MAX, |end| end.saturating_sub(self.offset) as usize);
            let input = Input {
                bytes: &self.buffer[self.taken..],
                at_end: self.at_end,
                stop,
            };
            let bad = match self.decoder.decode(input, self.batch_rows) {
                Ok(taken) => return Ok(taken),
                Err(bad) => bad,
            };
            match bad.len.filter(|_| self.dead_letters.is_some()) {
                Some(len) => self.step_over(split, len, bad),
                None => return Err(self.refuse(split, bad)),
            }
            if self.letter_bytes >= ENOUGH_BYTES {
                return Ok(Taken::default());
            }
        }
    }

    /// The rows decoded, none of them perhaps beside dead letters; nothing is left at the end of the split.
    fn rows(&mut self, split: &mut FileSplit) -> Result<Option<RecordBatch>, ConnectorError> {
        if self.decoder.rows() == 0 && self.letters.is_empty() {
            return Ok(None);
        }
        let batch = self.decoder.take().map_err(|error| {
            ConnectorError::internal(format!("decoded columns do not make a batch: {error}"))
        })?;
        self.batch_start = self.offset;
        (split.position, split.line) = (Some(self.offset), self.line);
        if let Some(dead_letters) = &self.dead_letters {
            dead_letters.put(self.letters.drain(..));
            self.letter_bytes = 0;
        }
        Ok(Some(batch))
    }
}

/// Whether reading from the middle of a file needs what the file begins with.
fn needs_head(decoder: &mut dyn Decoder) -> bool {
    let nothing = Input {
        bytes: &[],
        at_end: false,
        stop: 0,
    };
    !matches!(decoder.read_head(nothing), Ok(Some(_)))
}

/// What is said of a file whose bytes do not come.
pub(super) fn read_error(split: &FileSplit, error: &io::Error) -> ConnectorError {
    let path = split.path.display();
    let of_store = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<StoreError>());
    let is_changed = matches!(of_store, Some(StoreError::Precondition { .. }));
    // What unpacking finds is no error of the system's, nor of the store's.
    let is_packed = Compression::of_file(&split.path) != Compression::None;
    let is_damaged = is_packed && of_store.is_none() && error.raw_os_error().is_none();
    let error = if is_changed {
        ConnectorError::user(format!(
            "'{path}' was written anew while it was read: give files names of their own, and leave them as they are"
        ))
    } else if is_damaged {
        ConnectorError::user(format!("'{path}' cannot be unpacked: {error}"))
    } else {
        ConnectorError::external(format!("cannot read '{path}': {error}"))
    };
    error.at(path.to_string())
}
