//! Base64, hexadecimal numbers, URLs, character sets and hashes.

use std::{fmt::Write as _, sync::Arc};

use arrow_array::{ArrayRef, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, Field};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use datafusion_common::{Result, ScalarValue, config::ConfigOptions, exec_err};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};
use datafusion_functions::crypto;
use sha1::{Digest, Sha1};

use crate::{
    call::Call,
    define::{BYTES, Def, Gives, TEXT, Takes, def},
};

use Takes::{Any, Bytes, Int, Text};

const HASH: Gives = TEXT;

pub(crate) const FUNCTIONS: &[Def] = &[
    def("BIN", &[Int], TEXT, bin),
    def("DECODE", &[Bytes, Text], TEXT, decode),
    def("ENCODE", &[Text, Text], BYTES, encode),
    def("FROM_BASE64", &[Text], TEXT, from_base64),
    def("HEX", &[Any], TEXT, hex),
    def("MD5", &[Text], HASH, |call| hash(call, &crypto::md5())),
    def("PARSE_URL", &[Text, Text, Text], TEXT, parse_url).optional(1),
    def("SHA1", &[Text], HASH, sha1),
    def("SHA2", &[Text, Int], HASH, sha2),
    def("SHA224", &[Text], HASH, |call| hash(call, &crypto::sha224())),
    def("SHA256", &[Text], HASH, |call| hash(call, &crypto::sha256())),
    def("SHA384", &[Text], HASH, |call| hash(call, &crypto::sha384())),
    def("SHA512", &[Text], HASH, |call| hash(call, &crypto::sha512())),
    def("TO_BASE64", &[Text], TEXT, to_base64),
    def("UNHEX", &[Text], BYTES, unhex),
    def("URL_DECODE", &[Text], TEXT, url_decode),
    def("URL_ENCODE", &[Text], TEXT, url_encode),
];

/// Standard base64 that may end without its padding, as Java reads it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn to_base64(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    call.texts(|row, out| {
        general_purpose::STANDARD.encode_string(text.get(row)?, out);
        Some(())
    })
}

fn from_base64(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let mut bytes = Vec::new();
    call.try_texts(|row, out| {
        let Some(text) = text.get(row) else {
            return Ok(None);
        };
        bytes.clear();
        if LENIENT.decode_vec(text, &mut bytes).is_err() {
            return exec_err!("'{text}' is not base64");
        }
        out.push_str(&String::from_utf8_lossy(&bytes));
        Ok(Some(()))
    })
}

fn write_hex(bytes: &[u8], digits: &[u8; 16], out: &mut String) {
    for byte in bytes {
        out.push(char::from(digits[usize::from(byte >> 4)]));
        out.push(char::from(digits[usize::from(byte & 15)]));
    }
}

const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";

/// Of a number its digits, of a text its bytes.
fn hex(call: &Call<'_>) -> Result<ArrayRef> {
    match call.args[0].data_type() {
        DataType::Utf8 => {
            let text = call.text(0)?;
            call.texts(|row, out| {
                write_hex(text.get(row)?.as_bytes(), UPPER, out);
                Some(())
            })
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Null => {
            let array = arrow_cast::cast(&call.column(0)?, &DataType::Int64)?;
            let number = array.as_primitive::<Int64Type>();
            let values = crate::call::Values::Many(number);
            call.texts(|row, out| write!(out, "{:X}", values.get(row)?).ok())
        }
        other => exec_err!("HEX takes a whole number or a STRING, not {other}"),
    }
}

/// An odd digit at the front goes; null if a digit is none.
fn unhex(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    Ok(call.byte_strings(|row, out| {
        let text = text.get(row)?.as_bytes();
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let (odd, pairs) = text.split_at(text.len() % 2);
        for byte in odd {
            digit(*byte)?;
            out.push(0);
        }
        for pair in pairs.chunks_exact(2) {
            out.push(digit(pair[0])? << 4 | digit(pair[1])?);
        }
        Some(())
    }))
}

fn bin(call: &Call<'_>) -> Result<ArrayRef> {
    let number = call.values::<Int64Type>(0)?;
    call.texts(|row, out| write!(out, "{:b}", number.get(row)?).ok())
}

fn url_encode(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    call.texts(|row, out| {
        for byte in text.get(row)?.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => {
                    out.push(char::from(byte));
                }
                b' ' => out.push('+'),
                _ => {
                    out.push('%');
                    write_hex(&[byte], UPPER, out);
                }
            }
        }
        Some(())
    })
}

/// Null where a percent sign is not followed by two digits.
fn url_decode(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let mut bytes = Vec::new();
    call.texts(|row, out| {
        bytes.clear();
        let mut rest = text.get(row)?.as_bytes();
        while let [first, after @ ..] = rest {
            rest = after;
            match first {
                b'+' => bytes.push(b' '),
                b'%' => {
                    let (pair, after) = rest.split_at_checked(2)?;
                    bytes.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
                    rest = after;
                }
                other => bytes.push(*other),
            }
        }
        out.push_str(&String::from_utf8_lossy(&bytes));
        Some(())
    })
}

/// The parts of a URL: `protocol://userinfo@host:port/path?query#ref`.
struct Url<'a> {
    protocol: &'a str,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (protocol, rest) = text.trim().split_once(':')?;
        let known = ["http", "https", "ftp", "file", "jar", "mailto"];
        if !known.iter().any(|k| protocol.eq_ignore_ascii_case(k)) {
            return None;
        }
        let (rest, fragment) = match rest.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment)),
            None => (rest, None),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority), path)
            }
            None => (None, rest),
        };
        Some(Self {
            protocol,
            authority,
            path,
            query,
            fragment,
        })
    }

    fn part(&self, name: &str) -> Option<String> {
        let host = || {
            let authority = self.authority?;
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            Some(host.split(':').next().unwrap_or_default().to_owned())
        };
        match name {
            "HOST" => host(),
            "PATH" => Some(self.path.to_owned()),
            "QUERY" => self.query.map(str::to_owned),
            "REF" => self.fragment.map(str::to_owned),
            "PROTOCOL" => Some(self.protocol.to_lowercase()),
            "FILE" => Some(match self.query {
                Some(query) => format!("{}?{query}", self.path),
                None => self.path.to_owned(),
            }),
            "AUTHORITY" => self.authority.map(str::to_owned),
            "USERINFO" => Some(self.authority?.rsplit_once('@')?.0.to_owned()),
            _ => None,
        }
    }
}

fn parse_url(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, part) = (call.text(0)?, call.text(1)?);
    let key = if call.count() > 2 {
        Some(call.text(2)?)
    } else {
        None
    };
    call.texts(|row, out| {
        let (text, part) = (text.get(row)?, part.get(row)?);
        let url = Url::parse(text)?;
        match &key {
            None => out.push_str(&url.part(part)?),
            Some(key) => {
                let key = key.get(row)?;
                let query = (part == "QUERY").then_some(url.query)??;
                let value = query
                    .split('&')
                    .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))?;
                out.push_str(value);
            }
        }
        Some(())
    })
}

#[derive(Clone, Copy)]
enum Charset {
    Utf8,
    Ascii,
    Latin1,
    Utf16Be { mark: bool },
    Utf16Le,
}

impl Charset {
    fn of(name: &str) -> Result<Self> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" => Self::Utf8,
            "US-ASCII" | "ASCII" => Self::Ascii,
            "ISO-8859-1" | "LATIN1" => Self::Latin1,
            "UTF-16" => Self::Utf16Be { mark: true },
            "UTF-16BE" => Self::Utf16Be { mark: false },
            "UTF-16LE" => Self::Utf16Le,
            _ => {
                return exec_err!(
                    "the character set '{name}' is not supported: UTF-8, US-ASCII, ISO-8859-1, UTF-16, UTF-16BE and UTF-16LE are"
                );
            }
        })
    }

    fn write(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::Utf8 => out.extend_from_slice(text.as_bytes()),
            Self::Ascii => out.extend(text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' })),
            Self::Latin1 => out.extend(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))),
            Self::Utf16Be { mark } => {
                if mark {
                    out.extend([0xfe, 0xff]);
                }
                out.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
            }
            Self::Utf16Le => out.extend(text.encode_utf16().flat_map(u16::to_le_bytes)),
        }
    }

    fn read(self, bytes: &[u8], out: &mut String) {
        let units = |bytes: &[u8], little: bool| -> Vec<u16> {
            let pairs = bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
            pairs
                .map(|pair| {
                    if little {
                        u16::from_le_bytes(pair)
                    } else {
                        u16::from_be_bytes(pair)
                    }
                })
                .collect()
        };
        match self {
            Self::Utf8 => out.push_str(&String::from_utf8_lossy(bytes)),
            Self::Ascii => out.extend(
                bytes
                    .iter()
                    .map(|b| if b.is_ascii() { char::from(*b) } else { '\u{fffd}' }),
            ),
            Self::Latin1 => out.extend(bytes.iter().map(|b| char::from(*b))),
            Self::Utf16Be { mark } => {
                let (bytes, little) = match bytes {
                    [0xfe, 0xff, rest @ ..] if mark => (rest, false),
                    [0xff, 0xfe, rest @ ..] if mark => (rest, true),
                    all => (all, false),
                };
                out.push_str(&String::from_utf16_lossy(&units(bytes, little)));
            }
            Self::Utf16Le => out.push_str(&String::from_utf16_lossy(&units(bytes, true))),
        }
    }
}

fn encode(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, charset) = (call.text(0)?, call.text(1)?);
    let charsets = charsets(call, charset)?;
    Ok(call.byte_strings(|row, out| {
        charsets.get(row)?.write(text.get(row)?, out);
        Some(())
    }))
}

fn decode(call: &Call<'_>) -> Result<ArrayRef> {
    let (bytes, charset) = (call.bytes(0)?, call.text(1)?);
    let charsets = charsets(call, charset)?;
    call.texts(|row, out| {
        charsets.get(row)?.read(bytes.get(row)?, out);
        Some(())
    })
}

enum Charsets {
    One(Option<Charset>),
    Many(Vec<Option<Charset>>),
}

impl Charsets {
    fn get(&self, row: usize) -> Option<Charset> {
        match self {
            Self::One(one) => *one,
            Self::Many(many) => many[row],
        }
    }
}

fn charsets(call: &Call<'_>, names: crate::call::Text<'_>) -> Result<Charsets> {
    if call.is_constant(1) {
        return Ok(Charsets::One(names.get(0).map(Charset::of).transpose()?));
    }
    let many = (0..call.rows).map(|row| names.get(row).map(Charset::of).transpose());
    Ok(Charsets::Many(many.collect::<Result<_>>()?))
}

/// A hash as hexadecimal digits in lowercase.
fn hash(call: &Call<'_>, function: &Arc<ScalarUDF>) -> Result<ArrayRef> {
    let text = call.column(0)?;
    let result = function.return_type(&[DataType::Utf8])?;
    let args = ScalarFunctionArgs {
        args: vec![ColumnarValue::Array(text)],
        arg_fields: vec![Arc::new(Field::new("text", DataType::Utf8, true))],
        number_rows: call.rows,
        return_field: Arc::new(Field::new("hash", result, true)),
        config_options: Arc::new(ConfigOptions::default()),
    };
    let hashed = function.invoke_with_args(args)?.into_array(call.rows)?;
    if !matches!(hashed.data_type(), DataType::Binary | DataType::BinaryView) {
        return Ok(arrow_cast::cast(&hashed, &DataType::Utf8)?);
    }
    let hashed = arrow_cast::cast(&hashed, &DataType::Binary)?;
    let bytes = crate::call::Bytes::Many(hashed.as_binary());
    call.texts(|row, out| {
        write_hex(bytes.get(row)?, LOWER, out);
        Some(())
    })
}

fn sha1(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    call.texts(|row, out| {
        write_hex(&Sha1::digest(text.get(row)?.as_bytes()), LOWER, out);
        Some(())
    })
}

/// `SHA2(text, bits)`: the number of bits is the same for all rows.
fn sha2(call: &Call<'_>) -> Result<ArrayRef> {
    let ColumnarValue::Scalar(ScalarValue::Int64(bits)) = &call.args[1] else {
        return exec_err!("the length of SHA2 must be a constant: 224, 256, 384 or 512");
    };
    match bits {
        None => call.texts(|_, _| None),
        Some(224) => hash(call, &crypto::sha224()),
        Some(256) => hash(call, &crypto::sha256()),
        Some(384) => hash(call, &crypto::sha384()),
        Some(512) => hash(call, &crypto::sha512()),
        Some(other) => exec_err!("the length of SHA2 is 224, 256, 384 or 512, not {other}"),
    }
}

#[cfg(test)]
mod tests {
    use datafusion_common::ScalarValue;

    use crate::testing::{call, check, int, text};

    #[test]
    fn texts_are_encoded_and_decoded() {
        use crate::testing::text as s;
        check("TO_BASE64", &[s("hello world")], Some("aGVsbG8gd29ybGQ="));
        check("FROM_BASE64", &[s("aGVsbG8gd29ybGQ")], Some("hello world"));
        assert!(call("FROM_BASE64", &[s("***")]).is_err());
        check("HEX", &[s("hello,world")], Some("68656C6C6F2C776F726C64"));
        check("HEX", &[int(100)], Some("64"));
        check("HEX", &[int(-1)], Some("FFFFFFFFFFFFFFFF"));
        check("BIN", &[int(12)], Some("1100"));
        check("URL_ENCODE", &[s("a b/ü?*~")], Some("a+b%2F%C3%BC%3F*%7E"));
        check("URL_DECODE", &[s("a+b%2F%C3%BC")], Some("a b/ü"));
        check("URL_DECODE", &[s("%2")], None);
        let unhex = |t: &str| call("UNHEX", &[s(t)]);
        assert_eq!(unhex("4a4B"), Ok(ScalarValue::Binary(Some(vec![0x4a, 0x4b]))));
        assert_eq!(unhex("f0a"), Ok(ScalarValue::Binary(Some(vec![0, 0x0a]))));
        assert_eq!(unhex("xy"), Ok(ScalarValue::Binary(None)));
        let encoded = call("ENCODE", &[s("é"), s("UTF-16BE")]).expect("encodes");
        assert_eq!(encoded, ScalarValue::Binary(Some(vec![0, 0xe9])));
        assert_eq!(call("DECODE", &[encoded, s("UTF-16BE")]), Ok(s("é")));
    }

    #[test]
    fn urls_are_taken_apart() {
        let url = "http://me@facebook.com:80/path1/p.php?k1=v1&k2=v2#Ref1";
        for (part, expected) in [
            ("HOST", Some("facebook.com")),
            ("PATH", Some("/path1/p.php")),
            ("QUERY", Some("k1=v1&k2=v2")),
            ("REF", Some("Ref1")),
            ("FILE", Some("/path1/p.php?k1=v1&k2=v2")),
            ("USERINFO", Some("me")),
            ("AUTHORITY", Some("me@facebook.com:80")),
            ("PROTOCOL", Some("http")),
            ("NOTHING", None),
        ] {
            check("PARSE_URL", &[text(url), text(part)], expected);
        }
        check("PARSE_URL", &[text(url), text("QUERY"), text("k2")], Some("v2"));
        check("PARSE_URL", &[text(url), text("QUERY"), text("k3")], None);
        check("PARSE_URL", &[text("no url"), text("HOST")], None);
    }

    #[test]
    fn hashes_are_hexadecimal() {
        check("MD5", &[text("")], Some("d41d8cd98f00b204e9800998ecf8427e"));
        check(
            "SHA1",
            &[text("abc")],
            Some("a9993e364706816aba3e25717850c26c9cd0d89d"),
        );
        check(
            "SHA256",
            &[text("abc")],
            Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        );
        check("SHA224", &[text(None::<&str>)], None);
    }
}
