//! What is known of a record, and records in an answer.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::value::RawValue;

use crate::{
    messages::{Message, Said},
    origin::{MetadataDef, MetadataKind},
};

pub(super) const TIMESTAMP: &str = "timestamp";
pub(super) const HEADERS: &str = "headers";
pub(super) const ID: &str = "id";
pub(super) const EVENT: &str = "event";
pub(super) const URL: &str = "url";
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";

const CAME: MetadataDef = MetadataDef {
    key: TIMESTAMP,
    kind: MetadataKind::Instant,
    is_writable: false,
    doc: "when it came",
};

/// Of `http`.
pub(super) const HTTP_METADATA: &[MetadataDef] = &[
    CAME,
    MetadataDef {
        key: HEADERS,
        kind: MetadataKind::TextToBytes,
        is_writable: true,
        doc: "the headers of the answer that it was in, their names in small letters; of a row that is written with `'sink.body' = 'record'`, more \
              headers of its request",
    },
    MetadataDef {
        key: URL,
        kind: MetadataKind::Text,
        is_writable: true,
        doc: "what was asked, without the query; of a row that is written with `'sink.body' = 'record'`, where it is sent instead",
    },
    MetadataDef {
        key: IDEMPOTENCY_KEY,
        kind: MetadataKind::Text,
        is_writable: true,
        doc: "of a row that is written with `'sink.body' = 'record'`: the key in the header that `sink.idempotency-key-header` names",
    },
];

/// Of `sse`.
pub(super) const SSE_METADATA: &[MetadataDef] = &[
    CAME,
    MetadataDef {
        key: ID,
        kind: MetadataKind::Text,
        is_writable: false,
        doc: "the last id that the server has given, of this event or of one before",
    },
    MetadataDef {
        key: EVENT,
        kind: MetadataKind::Text,
        is_writable: false,
        doc: "the type of the event; `message` if it has none",
    },
];

/// Of `websocket`.
pub(super) const WEBSOCKET_METADATA: &[MetadataDef] = &[CAME];

/// A record that came.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) payload: Bytes,
    /// When, in ms since 1970.
    pub(super) came_ms: i64,
    pub(super) url: Arc<str>,
    pub(super) headers: Option<Arc<HeaderMap>>,
    pub(super) id: Option<String>,
    pub(super) event: Option<String>,
}

impl Message for Record {
    fn payload(&self) -> &[u8] {
        &self.payload
    }

    fn says(&self, key: &str) -> Said<'_> {
        let text = |text: &Option<String>| {
            text.clone()
                .map_or(Said::Null, |text| Said::Text(Cow::Owned(text)))
        };
        match key {
            TIMESTAMP => Said::Instant(self.came_ms),
            URL => Said::Text(Cow::Borrowed(&self.url)),
            ID => text(&self.id),
            EVENT => text(&self.event),
            HEADERS => match &self.headers {
                Some(headers) => {
                    let name_and_last =
                        |name| Some((name, headers.get_all(name).iter().next_back()?.as_bytes()));
                    Said::Entries(
                        headers
                            .keys()
                            .map(reqwest::header::HeaderName::as_str)
                            .filter_map(name_and_last)
                            .collect(),
                    )
                }
                None => Said::Null,
            },
            _ => Said::Null,
        }
    }

    fn place(&self) -> String {
        self.url.to_string()
    }
}

/// What an answer, or a request, has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Record,
    Array,
    Lines,
}

impl Body {
    pub(super) fn named(word: Option<&str>) -> Self {
        match word {
            Some("array") => Self::Array,
            Some("lines") => Self::Lines,
            _ => Self::Record,
        }
    }
}

/// The records of an answer; the error says what is wrong with it.
pub(super) fn records(answer: &Bytes, body: Body, pointer: Option<&str>) -> Result<Vec<Bytes>, String> {
    let within = match pointer {
        None => answer.clone(),
        Some(pointer) => answer.slice_ref(pointed(answer, pointer)?.get().as_bytes()),
    };
    Ok(match body {
        Body::Record if within.trim_ascii().is_empty() => Vec::new(),
        Body::Record => vec![within],
        Body::Lines => within
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.trim_ascii().is_empty())
            .map(|line| answer.slice_ref(line.strip_suffix(b"\r").unwrap_or(line)))
            .collect(),
        Body::Array => {
            let array: Vec<&RawValue> = serde_json::from_slice(&within)
                .map_err(|error| format!("an answer is no JSON array, as 'scan.records' says: {error}"))?;
            array
                .iter()
                .map(|value| answer.slice_ref(value.get().as_bytes()))
                .collect()
        }
    })
}

/// The value in a JSON text at a place (RFC 6901).
fn pointed<'a>(text: &'a [u8], pointer: &str) -> Result<&'a RawValue, String> {
    let unreadable = |error: serde_json::Error| format!("an answer is no JSON: {error}");
    let mut value: &RawValue = serde_json::from_slice(text).map_err(unreadable)?;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let next = if value.get().starts_with('[') {
            let array: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(unreadable)?;
            token
                .parse()
                .ok()
                .and_then(|index: usize| array.get(index).copied())
        } else if value.get().starts_with('{') {
            let object: HashMap<String, &RawValue> = serde_json::from_str(value.get()).map_err(unreadable)?;
            object.get(&token).copied()
        } else {
            None
        };
        value = next.ok_or_else(|| format!("an answer has nothing at '{pointer}'"))?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_in_answers_as_they_are_written() {
        let check =
            |answer: &'static str, body: Body, pointer: Option<&str>, expected: Result<&[&str], &str>| {
                let found = records(&Bytes::from(answer), body, pointer);
                match (found, expected) {
                    (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{answer}"),
                    (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                    (found, expected) => panic!("{found:?} instead of {expected:?}"),
                }
            };
        check(" {\"a\": 1.50} ", Body::Record, None, Ok(&[" {\"a\": 1.50} "]));
        check(" \n ", Body::Record, None, Ok(&[]));
        check(
            "[{\"a\":1.50}, 2 ,[3]]",
            Body::Array,
            None,
            Ok(&["{\"a\":1.50}", "2", "[3]"]),
        );
        check("a\r\n\nb", Body::Lines, None, Ok(&["a", "b"]));
        let nested = "{\"data\": {\"a/b\": [0, [1, {\"x\": 10000000000000000000001}]]}}";
        check(
            nested,
            Body::Array,
            Some("/data/a~1b/1"),
            Ok(&["1", "{\"x\": 10000000000000000000001}"]),
        );
        check(nested, Body::Record, Some("/data/a~1b/0"), Ok(&["0"]));
        check(nested, Body::Array, Some("/data"), Err("is no JSON array"));
        check(
            nested,
            Body::Array,
            Some("/data/none"),
            Err("has nothing at '/data/none'"),
        );
        check("x", Body::Array, Some("/data"), Err("is no JSON"));
    }
}
