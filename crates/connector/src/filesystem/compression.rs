//! Files that are packed as a whole.

use std::{
    io::{self, BufReader, Read, Write as _},
    path::Path,
};

use flate2::{read::MultiGzDecoder, write::GzEncoder};

use crate::ConnectorError;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// What tables call them.
pub(super) const NAMES: &[&str] = &["none", "gzip", "zstd"];

impl Compression {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "gzip" => Self::Gzip,
            "zstd" => Self::Zstd,
            _ => Self::None,
        }
    }

    /// By the ending of its name.
    pub(super) fn of_file(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::None,
        }
    }

    /// What the names of such files end in, behind the ending of their format.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// The bytes of a file from an offset of what is packed in it.
    pub(super) fn unpack(self, bytes: Box<dyn Read + Send>, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut unpacked: Box<dyn Read + Send> = match self {
            Self::None => bytes,
            Self::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(64 << 10, bytes))),
            Self::Zstd => Box::new(zstd::Decoder::new(bytes)?),
        };
        io::copy(&mut unpacked.by_ref().take(offset), &mut io::sink())?;
        Ok(unpacked)
    }

    /// Packs one file.
    pub(super) fn packer(self) -> Result<Option<Packer>, ConnectorError> {
        Ok(match self {
            Self::None => None,
            Self::Gzip => Some(Packer::Gzip(GzEncoder::new(
                Vec::new(),
                flate2::Compression::default(),
            ))),
            Self::Zstd => {
                let encoder = zstd::Encoder::new(Vec::new(), zstd::DEFAULT_COMPRESSION_LEVEL);
                Some(Packer::Zstd(encoder.map_err(|error| broken(&error))?))
            }
        })
    }
}

/// A file that is being packed.
pub(super) enum Packer {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::Encoder<'static, Vec<u8>>),
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
        })
    }
}

impl Packer {
    /// Appends what has come to be of this text and of those before.
    pub(super) fn pack(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), ConnectorError> {
        let packed = match self {
            Self::Gzip(encoder) => encoder.write_all(text).map(|()| out.append(encoder.get_mut())),
            Self::Zstd(encoder) => encoder.write_all(text).map(|()| out.append(encoder.get_mut())),
        };
        packed.map_err(|error| broken(&error))
    }

    /// Appends what is left, the end of the file.
    pub(super) fn finish(self, out: &mut Vec<u8>) -> Result<(), ConnectorError> {
        let rest = match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        };
        out.append(&mut rest.map_err(|error| broken(&error))?);
        Ok(())
    }
}

fn broken(error: &io::Error) -> ConnectorError {
    ConnectorError::internal(format!("text cannot be packed: {error}"))
}
