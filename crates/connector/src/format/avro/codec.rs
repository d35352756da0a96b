//! How blocks of Avro's files are packed.

use std::io::{Read, Write as _};

use flate2::{Compression, Crc, read::DeflateDecoder, write::DeflateEncoder};

/// A codec that files name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Codec {
    Null,
    Deflate,
    #[default]
    Snappy,
    Zstandard,
}

/// The names of all codecs.
pub(super) const NAMES: &[&str] = &["null", "deflate", "snappy", "zstandard"];

/// A block unpacked has no more bytes than this: most likely it is none.
const MAX_UNPACKED_BYTES: usize = 256 << 20;

impl Codec {
    /// The one of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "deflate" => Self::Deflate,
            "snappy" => Self::Snappy,
            "zstandard" => Self::Zstandard,
            _ => return None,
        })
    }

    /// As files name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Deflate => "deflate",
            Self::Snappy => "snappy",
            Self::Zstandard => "zstandard",
        }
    }

    /// The bytes of a block as the file has them.
    pub(super) fn pack(self, block: &[u8]) -> Vec<u8> {
        const IN_MEMORY: &str = "packing in memory does not fail";
        match self {
            Self::Null => block.to_vec(),
            Self::Deflate => {
                let mut packed = DeflateEncoder::new(Vec::new(), Compression::default());
                packed.write_all(block).expect(IN_MEMORY);
                packed.finish().expect(IN_MEMORY)
            }
            Self::Snappy => {
                let mut packed = snap::raw::Encoder::new().compress_vec(block).expect(IN_MEMORY);
                packed.extend_from_slice(&checksum(block).to_be_bytes());
                packed
            }
            Self::Zstandard => zstd::bulk::compress(block, zstd::DEFAULT_COMPRESSION_LEVEL).expect(IN_MEMORY),
        }
    }

    /// The bytes of a block, unpacked into `out`. The error says why they cannot be.
    pub(super) fn unpack(self, packed: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        out.clear();
        match self {
            Self::Null => out.extend_from_slice(packed),
            Self::Deflate => read_all(DeflateDecoder::new(packed), out)?,
            Self::Zstandard => {
                let unpacked = zstd::stream::read::Decoder::new(packed).map_err(|error| error.to_string())?;
                read_all(unpacked, out)?;
            }
            Self::Snappy => {
                let (packed, sum) = packed.split_last_chunk::<4>().ok_or("it has no checksum")?;
                let len = snap::raw::decompress_len(packed).map_err(|error| error.to_string())?;
                if len > MAX_UNPACKED_BYTES {
                    return Err(too_large());
                }
                out.resize(len, 0);
                snap::raw::Decoder::new()
                    .decompress(packed, out)
                    .map_err(|error| error.to_string())?;
                if checksum(out) != u32::from_be_bytes(*sum) {
                    return Err("its checksum is another one".into());
                }
            }
        }
        Ok(())
    }
}

fn read_all(from: impl Read, out: &mut Vec<u8>) -> Result<(), String> {
    let read = from.take(MAX_UNPACKED_BYTES as u64 + 1).read_to_end(out);
    match read.map_err(|error| error.to_string())? {
        len if len > MAX_UNPACKED_BYTES => Err(too_large()),
        _ => Ok(()),
    }
}

fn too_large() -> String {
    format!("it has more than {} MiB", MAX_UNPACKED_BYTES >> 20)
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
