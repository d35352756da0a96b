//! The source: files and ranges of files into batches.

use std::io;

use arrow_schema::SchemaRef;
use async_trait::async_trait;

use super::{
    chunks::Chunks,
    columns::Columns,
    files::Files,
    split::{FileSplit, plan},
};
use crate::{
    ChangelogMode, ConnectorError, OptionError, Source, SourceContext, SourceEvent, SourceFactory, Split,
    dead_letter::{DeadLetter, ENOUGH_BYTES},
    format::{BadRecord, Decoder, Format, Input, MAX_RECORD_BYTES, Taken},
    origin,
};

/// Files are not cut into smaller ranges than this.
const LEAST_RANGE_BYTES: u64 = 32 << 20;

/// A batch ends here even if it has few rows, so that long rows don't pile up.
const MAX_BATCH_BYTES: u64 = 8 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A checked table of files to read.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    files: Files,
    format: Format,
    schema: SchemaRef,
    default_partition: String,
    pub(super) least_range_bytes: u64,
}

impl Factory {
    pub(super) fn new(files: Files, format: Format, schema: SchemaRef, default_partition: String) -> Self {
        Self {
            files,
            format,
            schema,
            default_partition,
            least_range_bytes: LEAST_RANGE_BYTES,
        }
    }

    async fn list(&self) -> io::Result<Vec<super::files::Found>> {
        let files = self.files.clone();
        tokio::task::spawn_blocking(move || files.list())
            .await
            .map_err(io::Error::other)?
    }
}

#[async_trait]
impl SourceFactory for Factory {
    fn is_bounded(&self) -> bool {
        true
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.format.changelog_mode()
    }

    async fn check(&self) -> Result<(), OptionError> {
        let path = self.files.path();
        match self.list().await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OptionError::Unavailable {
                reason: format!(
                    "there is no file or folder '{}'{}",
                    path.display(),
                    seen_from(path)
                ),
            }),
            Err(error) => Err(OptionError::Unavailable {
                reason: format!("'{}' cannot be read: {error}", path.display()),
            }),
        }
    }

    async fn splits(&self, parallelism: u32) -> Result<Vec<Split>, ConnectorError> {
        let files = self.list().await.map_err(|error| {
            ConnectorError::external(format!("cannot list '{}': {error}", self.files.path().display()))
        })?;
        plan(
            &files,
            self.format.is_splittable(&self.schema),
            parallelism,
            self.least_range_bytes,
        )
        .iter()
        .map(FileSplit::to_split)
        .collect()
    }

    async fn open(
        &self,
        splits: Vec<Split>,
        context: SourceContext,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        let columns = Columns::new(
            &self.schema,
            context.schema.clone(),
            self.default_partition.clone(),
        );
        let decoder = self
            .format
            .decoder(&origin::in_rows(&self.schema), columns.decoded())
            .map_err(ConnectorError::internal)?;
        let splits = splits
            .iter()
            .map(FileSplit::from_split)
            .collect::<Result<_, _>>()?;
        Ok(Box::new(Reader {
            splits,
            current: 0,
            open: None,
            decoder,
            columns,
            letters: Vec::new(),
            letter_bytes: 0,
            context,
        }))
    }
}

fn seen_from(path: &std::path::Path) -> String {
    match std::env::current_dir() {
        Ok(folder) if path.is_relative() => format!(", looked for in '{}'", folder.display()),
        _ => String::new(),
    }
}

/// Reads its splits one after the other.
struct Reader {
    /// Each at the position after the last event yielded.
    splits: Vec<FileSplit>,
    current: usize,
    open: Option<OpenFile>,
    decoder: Box<dyn Decoder>,
    columns: Columns,
    /// Records that could not be read, and go elsewhere with the next event.
    letters: Vec<DeadLetter>,
    letter_bytes: usize,
    context: SourceContext,
}

/// The file of the current split.
struct OpenFile {
    chunks: Chunks,
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

impl OpenFile {
    fn new(split: &FileSplit, decoder: &mut dyn Decoder) -> Self {
        let (offset, begun) = match (split.position, split.start) {
            (Some(0), _) | (None, 0) => (0, Begun::AtFileStart),
            (Some(position), _) if needs_head(decoder) => (0, Begun::BeforeHead { position }),
            (Some(position), _) => (position, Begun::AtRecord),
            (None, start) => (start - 1, Begun::WithinLine),
        };
        Self {
            chunks: Chunks::open(&split.path, split.is_packed(), offset),
            buffer: Vec::new(),
            taken: 0,
            offset,
            line: split.line.filter(|_| decoder.has_lines()),
            batch_start: offset,
            at_end: false,
            begun,
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
    fn begin(&mut self, split: &FileSplit, decoder: &mut dyn Decoder) -> Result<(), BadRecord> {
        match self.begun {
            Begun::AtRecord => {}
            Begun::BeforeHead { position } => {
                let input = Input {
                    bytes: self.rest(),
                    at_end: self.at_end,
                    stop: usize::MAX,
                };
                if decoder.read_head(input)?.is_some() {
                    self.chunks = Chunks::open(&split.path, split.is_packed(), position);
                    self.buffer.clear();
                    (self.taken, self.at_end) = (0, false);
                    (self.offset, self.batch_start) = (position, position);
                    self.begun = Begun::AtRecord;
                }
            }
            Begun::AtFileStart if self.buffer.len() < BYTE_ORDER_MARK.len() && !self.at_end => {}
            Begun::AtFileStart => {
                if decoder.has_lines() && self.rest().starts_with(BYTE_ORDER_MARK) {
                    self.take(BYTE_ORDER_MARK.len(), 0);
                }
                decoder.begin_file();
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
        if self.begun == Begun::AtRecord && self.batch_start < self.offset && decoder.rows() == 0 {
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

    /// A record of so many bytes that cannot be read, as a dead letter; reading goes on behind it.
    fn step_over(&mut self, split: &FileSplit, len: usize, bad: BadRecord) -> DeadLetter {
        let place = self.place(split, &bad);
        let record = self.rest()[bad.offset..bad.offset + len].to_vec();
        let lines = memchr::memchr_iter(b'\n', &record).count() as u64;
        self.take(bad.offset + len, bad.line + lines);
        DeadLetter {
            record: record.trim_ascii_end().to_vec(),
            error: bad.reason,
            place,
        }
    }

    async fn read_on(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.at_end = !self.chunks.append_to(&mut self.buffer).await?;
        Ok(())
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

impl Reader {
    /// Decodes what was read; true when a batch is ready or the split has no more rows.
    fn decode(&mut self) -> Result<bool, ConnectorError> {
        let (Some(open), Some(split)) = (&mut self.open, self.splits.get(self.current)) else {
            return Ok(true);
        };
        open.begin(split, self.decoder.as_mut())
            .map_err(|bad| open.refuse(split, bad))?;
        if open.begun != Begun::AtRecord {
            return Ok(open.at_end);
        }
        let taken = loop {
            let stop = split
                .end
                .map_or(usize::MAX, |end| end.saturating_sub(open.offset) as usize);
            let input = Input {
                bytes: open.rest(),
                at_end: open.at_end,
                stop,
            };
            let bad = match self.decoder.decode(input, self.context.batch_rows) {
                Ok(taken) => break taken,
                Err(bad) => bad,
            };
            let letter = match bad.len.filter(|_| self.context.dead_letters.is_some()) {
                Some(len) => open.step_over(split, len, bad),
                None => return Err(open.refuse(split, bad)),
            };
            self.context.counters.skipped(1);
            self.letter_bytes += letter.record.len();
            self.letters.push(letter);
            if self.letter_bytes >= ENOUGH_BYTES {
                break Taken::default();
            }
        };
        open.take(taken.bytes, taken.lines);
        if taken.skipped > 0 {
            self.context.counters.skipped(taken.skipped);
        }
        if open.rest().len() > MAX_RECORD_BYTES
            && taken.bytes == 0
            && self.letters.is_empty()
            && self.decoder.rows() < self.context.batch_rows
        {
            let reason = format!("a record is longer than {} MiB", MAX_RECORD_BYTES >> 20);
            return Err(ConnectorError::user(reason).at(split.place(open.line, open.offset)));
        }
        Ok(self.decoder.rows() >= self.context.batch_rows
            || self.letter_bytes >= ENOUGH_BYTES
            || (open.offset - open.batch_start >= MAX_BATCH_BYTES && self.decoder.rows() > 0)
            || split.end.is_some_and(|end| open.offset >= end)
            || open.at_end)
    }

    /// The rows decoded, or the end of the split if there are none.
    fn event(&mut self) -> Result<SourceEvent, ConnectorError> {
        let split = self.current;
        if self.decoder.rows() == 0 && self.letters.is_empty() {
            self.open = None;
            self.current += 1;
            return Ok(SourceEvent::SplitEnd { split });
        }
        let batch = self.decoder.take().map_err(|error| {
            ConnectorError::internal(format!("decoded columns do not make a batch: {error}"))
        })?;
        if let (Some(open), Some(at)) = (&mut self.open, self.splits.get_mut(split)) {
            open.batch_start = open.offset;
            (at.position, at.line) = (Some(open.offset), open.line);
        }
        let batch = self.columns.complete(batch, &self.splits[split])?;
        if let Some(dead_letters) = &self.context.dead_letters {
            dead_letters.put(self.letters.drain(..));
            self.letter_bytes = 0;
        }
        Ok(SourceEvent::Rows { split, batch })
    }

    fn read_error(&self, error: &io::Error) -> ConnectorError {
        let path = self.splits[self.current].path.display();
        match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                ConnectorError::user(format!("'{path}' cannot be unpacked: {error}")).at(path.to_string())
            }
            _ => ConnectorError::external(format!("cannot read '{path}': {error}")).at(path.to_string()),
        }
    }
}

#[async_trait]
impl Source for Reader {
    async fn next(&mut self) -> Result<SourceEvent, ConnectorError> {
        loop {
            let Some(split) = self.splits.get(self.current) else {
                return Ok(SourceEvent::End);
            };
            let open = self
                .open
                .get_or_insert_with(|| OpenFile::new(split, self.decoder.as_mut()));
            if (!open.buffer.is_empty() || open.at_end) && self.decode()? {
                return self.event();
            }
            if let Some(open) = &mut self.open
                && let Err(error) = open.read_on().await
            {
                return Err(self.read_error(&error));
            }
        }
    }

    fn positions(&self) -> Vec<Split> {
        self.splits[self.current..]
            .iter()
            .map(|split| {
                split
                    .to_split()
                    .expect("a split that was read from its state can be written again")
            })
            .collect()
    }
}
