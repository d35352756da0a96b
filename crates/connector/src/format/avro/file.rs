//! Avro's container files: a header with the schema, and blocks of records.

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Schema as Columns, SchemaRef};

use super::{
    Config,
    codec::Codec,
    columns,
    decode::Bytes,
    encode::{Rows as Encoded, write_bytes, write_long},
    plan,
    schema::Schema,
    schema_of,
};
use crate::format::{BadRecord, Decoder, Input, Taken, record::Rows};

const MAGIC: &[u8; 4] = b"Obj\x01";
const SCHEMA: &str = "avro.schema";
const CODEC: &str = "avro.codec";

/// A block is ended when it has so many bytes, as other writers do too.
const BLOCK_BYTES: usize = 64 << 10;

/// A decoder of container files, which takes whole blocks.
#[derive(Debug)]
pub(crate) struct Decode {
    config: Config,
    columns: SchemaRef,
    rows: Rows,
    /// None before a file's header was read.
    head: Option<Head>,
    unpacked: Vec<u8>,
}

/// What a file's header says.
#[derive(Debug)]
struct Head {
    schema: Schema,
    row: plan::Row,
    codec: Codec,
    sync: [u8; 16],
}

/// A block as the file has it.
struct Block<'a> {
    count: u64,
    packed: &'a [u8],
    len: usize,
}

impl Decode {
    /// A decoder of these columns.
    pub(crate) fn new(config: Config, columns: &SchemaRef) -> Result<Self, String> {
        Ok(Self {
            config,
            columns: SchemaRef::clone(columns),
            rows: Rows::new(columns)?,
            head: None,
            unpacked: Vec::new(),
        })
    }

    /// Reads the header at the front and returns its length; none if it is not all there.
    fn header(&mut self, bytes: &[u8], at_end: bool) -> Result<Option<usize>, String> {
        if !bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())]) {
            return Err("the file is no container file of Avro".into());
        }
        match Head::split(bytes) {
            Split::Whole(head, len) => {
                self.head = Some(Head::read(&head, &self.columns)?);
                Ok(Some(len))
            }
            Split::Incomplete if at_end => Err("the file ends within its header".into()),
            Split::Incomplete => Ok(None),
            Split::Malformed(reason) => Err(format!("the file's header {reason}")),
        }
    }

    /// Appends the records of a block; returns how many were skipped.
    fn block(&mut self, block: &Block<'_>) -> Result<u64, String> {
        let head = self.head.as_ref().ok_or("the file's header was not read")?;
        let ignores = self.config.ignore_parse_errors;
        if let Err(reason) = head.codec.unpack(block.packed, &mut self.unpacked) {
            let reason = format!("a block cannot be unpacked ({}): {reason}", head.codec.name());
            return if ignores { Ok(block.count) } else { Err(reason) };
        }
        let mut bytes = Bytes(&self.unpacked);
        for nth in 0..block.count {
            let row = self
                .rows
                .push(|columns| head.row.read(&head.schema, &mut bytes, columns));
            match row {
                Ok(()) => {}
                // Where the next one begins is not known.
                Err(_) if ignores => return Ok(block.count - nth),
                Err(fault) => return Err(format!("record {} of the block {}", nth + 1, fault.reason())),
            }
        }
        match bytes.0.len() {
            0 => Ok(0),
            more => Err(format!("a block has {more} bytes behind its records")),
        }
    }
}

/// A header as it is written, its parts found.
struct Written<'a> {
    schema: &'a [u8],
    codec: Option<&'a [u8]>,
    sync: [u8; 16],
}

enum Split<T> {
    Whole(T, usize),
    Incomplete,
    Malformed(String),
}

impl Head {
    /// Finds the header at the front.
    fn split(file: &[u8]) -> Split<Written<'_>> {
        let mut bytes = Bytes(file.get(MAGIC.len()..).unwrap_or_default());
        let (mut schema, mut codec) = (None, None);
        let entries = bytes.each_entry(|key, value| match key {
            _ if key == SCHEMA.as_bytes() => schema = Some(value),
            _ if key == CODEC.as_bytes() => codec = Some(value),
            _ => {}
        });
        let sync = match entries.and_then(|()| bytes.array()) {
            Ok(sync) => sync,
            Err(fault) if fault.is_cut_off() => return Split::Incomplete,
            Err(fault) => return Split::Malformed(fault.reason()),
        };
        let Some(schema) = schema else {
            return Split::Malformed(format!("has no '{SCHEMA}'"));
        };
        Split::Whole(Written { schema, codec, sync }, file.len() - bytes.0.len())
    }

    fn read(written: &Written<'_>, columns: &SchemaRef) -> Result<Self, String> {
        let schema = String::from_utf8_lossy(written.schema);
        let schema = Schema::parse(&schema).map_err(|reason| format!("the file's schema {reason}"))?;
        let row = plan::of_record(&schema, columns.fields());
        let codec = String::from_utf8_lossy(written.codec.unwrap_or(b"null"));
        Ok(Self {
            row: row.map_err(|reason| format!("the file's schema does not fit the table: {reason}"))?,
            schema,
            codec: Codec::named(&codec)
                .ok_or_else(|| format!("the file is packed by '{codec}', which is not known here"))?,
            sync: written.sync,
        })
    }

    /// Finds the block at the front.
    fn block<'a>(&self, file: &'a [u8]) -> Split<Block<'a>> {
        let mut bytes = Bytes(file);
        let parts = bytes
            .long()
            .and_then(|count| Ok((count, bytes.bytes()?, bytes.array::<16>()?)));
        match parts {
            Ok((count, packed, sync)) if count >= 0 && sync == self.sync => {
                let len = file.len() - bytes.0.len();
                let count = count.unsigned_abs();
                Split::Whole(Block { count, packed, len }, len)
            }
            Ok(_) => Split::Malformed("is not where a block of the file should be".into()),
            Err(fault) if fault.is_cut_off() => Split::Incomplete,
            Err(fault) => Split::Malformed(fault.reason()),
        }
    }
}

impl Decoder for Decode {
    fn begin_file(&mut self) {
        self.head = None;
    }

    fn has_lines(&self) -> bool {
        false
    }

    fn read_head(&mut self, input: Input<'_>) -> Result<Option<usize>, BadRecord> {
        let head = self.header(input.bytes, input.at_end);
        head.map_err(|reason| bad(0, reason))
    }

    fn decode(&mut self, input: Input<'_>, max_rows: usize) -> Result<Taken, BadRecord> {
        let mut taken = Taken::default();
        if self.head.is_none() && !input.bytes.is_empty() {
            match self.read_head(input)? {
                Some(len) => taken.bytes = len,
                None => return Ok(taken),
            }
        }
        while self.rows.len() < max_rows && taken.bytes < input.stop.min(input.bytes.len()) {
            let Some(head) = &self.head else {
                break;
            };
            let block = match head.block(&input.bytes[taken.bytes..]) {
                Split::Whole(block, _) => block,
                Split::Incomplete if input.at_end => {
                    return Err(bad(taken.bytes, "the file ends within a block"));
                }
                Split::Incomplete => break,
                Split::Malformed(reason) => return Err(bad(taken.bytes, format!("what follows {reason}"))),
            };
            taken.skipped += self.block(&block).map_err(|reason| bad(taken.bytes, reason))?;
            taken.bytes += block.len;
        }
        Ok(taken)
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rows.take()
    }
}

/// The columns of a file that begins with these bytes; none if more of them are needed.
pub(crate) fn columns_of_file(start: &[u8]) -> Result<Option<Columns>, String> {
    if !start.starts_with(&MAGIC[..start.len().min(MAGIC.len())]) {
        return Err("the file is no container file of Avro".into());
    }
    match Head::split(start) {
        Split::Whole(head, _) => {
            let schema = String::from_utf8_lossy(head.schema);
            let columns = Schema::parse(&schema).and_then(|schema| columns::of_schema(&schema));
            columns
                .map(Some)
                .map_err(|reason| format!("the file's schema {reason}"))
        }
        Split::Incomplete => Ok(None),
        Split::Malformed(reason) => Err(format!("the file's header {reason}")),
    }
}

fn bad(offset: usize, reason: impl Into<String>) -> BadRecord {
    BadRecord {
        offset,
        len: None,
        line: 0,
        reason: reason.into(),
    }
}

const DERIVED: &str = "a schema was derived of the columns when the table was checked";

/// Appends the header of a file of rows of these columns.
pub(crate) fn write_header(config: Config, columns: &SchemaRef, out: &mut Vec<u8>) {
    let schema = schema_of(columns, config.legacy).expect(DERIVED);
    out.extend_from_slice(MAGIC);
    write_long(2, out);
    for (key, value) in [(CODEC, config.codec.name()), (SCHEMA, &schema)] {
        write_bytes(key.as_bytes(), out);
        write_bytes(value.as_bytes(), out);
    }
    write_long(0, out);
    out.extend_from_slice(&sync_marker(&schema));
}

/// Appends the rows of a batch to a file with the header of its columns: a block of them, or several.
pub(crate) fn write_block(config: Config, batch: &RecordBatch, out: &mut Vec<u8>) {
    let sync = sync_marker(&schema_of(&batch.schema(), config.legacy).expect(DERIVED));
    let rows = Encoded::new(batch);
    let mut block = Vec::new();
    let mut count = 0;
    for row in 0..batch.num_rows() {
        rows.write(row, &mut block);
        count += 1;
        if block.len() >= BLOCK_BYTES || row + 1 == batch.num_rows() {
            write_long(count, out);
            write_bytes(&config.codec.pack(&block), out);
            out.extend_from_slice(&sync);
            block.clear();
            count = 0;
        }
    }
}

/// What stands behind each block, the same in all files of a schema: nobody reads one from its middle without its header, and what a
/// job writes is the same each time.
fn sync_marker(schema: &str) -> [u8; 16] {
    // FNV-1a of 128 bits.
    let start = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    let hash = schema.bytes().fold(start, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b)
    });
    hash.to_be_bytes()
}
