//! JSON made of values: JSON_STRING and what JSON_OBJECT and JSON_ARRAY become.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, StringArray, cast::AsArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use base64::{Engine, prelude::BASE64_STANDARD};
use datafusion_common::{Result, exec_err};
use datafusion_expr::ColumnarValue;
use serde_json::value::RawValue;

use crate::{
    call::{Call, Text},
    choice,
    define::{Def, TEXT, Takes, def},
};

use Takes::{Any, Text as TextArg};

pub(crate) const FUNCTIONS: &[Def] = &[
    def("JSON_STRING", &[Any], TEXT, string),
    // a key and JSON
    def("$JSON_ENTRY", &[TextArg, TextArg], TEXT, entry),
    // what opens and closes, and the entries or elements between, nulls left out
    def("$JSON_JOIN", &[TextArg, TextArg, TextArg], TEXT, join)
        .optional(1)
        .repeats(),
    def("$JSON_RAW", &[TextArg], TEXT, raw),
];

/// The text in double quotes.
pub(crate) fn quoted(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// A column as JSON, taken apart once for all of its rows.
enum Json {
    /// Numbers and their like.
    Plain(StringArray),
    Quoted(StringArray),
    Bool(BooleanArray),
    Array {
        offsets: OffsetBuffer<i32>,
        nulls: Option<NullBuffer>,
        element: Box<Json>,
    },
    Map {
        offsets: OffsetBuffer<i32>,
        nulls: Option<NullBuffer>,
        keys: StringArray,
        value: Box<Json>,
    },
    Row {
        nulls: Option<NullBuffer>,
        fields: Vec<(String, Json)>,
    },
}

impl Json {
    fn new(column: &ArrayRef) -> Result<Self> {
        let nulls = column.logical_nulls().filter(|n| n.null_count() > 0);
        Ok(match column.data_type() {
            DataType::Boolean => Self::Bool(column.as_boolean().clone()),
            DataType::List(_) => {
                let list = column.as_list::<i32>();
                Self::Array {
                    offsets: list.offsets().clone(),
                    nulls,
                    element: Box::new(Self::new(list.values())?),
                }
            }
            DataType::Map(..) => {
                let map = column.as_map();
                Self::Map {
                    offsets: map.offsets().clone(),
                    nulls,
                    keys: text_of(map.keys())?,
                    value: Box::new(Self::new(map.values())?),
                }
            }
            DataType::Struct(fields) => {
                let columns = column.as_struct().columns();
                let field = |(field, column): (&Arc<arrow_schema::Field>, &ArrayRef)| {
                    Ok((field.name().clone(), Self::new(column)?))
                };
                Self::Row {
                    nulls,
                    fields: fields.iter().zip(columns).map(field).collect::<Result<_>>()?,
                }
            }
            DataType::Binary => {
                let bytes = column.as_binary::<i32>().iter();
                Self::Quoted(bytes.map(|b| b.map(|b| BASE64_STANDARD.encode(b))).collect())
            }
            t if t.is_numeric() => Self::Plain(text_of(column)?),
            _ => Self::Quoted(text_of(column)?),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Plain(texts) | Self::Quoted(texts) => texts.is_null(row),
            Self::Bool(bools) => bools.is_null(row),
            Self::Array { nulls, .. } | Self::Map { nulls, .. } | Self::Row { nulls, .. } => {
                nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
            }
        }
    }

    fn write(&self, row: usize, out: &mut String) {
        if self.is_null(row) {
            out.push_str("null");
            return;
        }
        match self {
            Self::Plain(texts) => out.push_str(texts.value(row)),
            Self::Quoted(texts) => quoted(texts.value(row), out),
            Self::Bool(bools) => out.push_str(if bools.value(row) { "true" } else { "false" }),
            Self::Array { offsets, element, .. } => {
                out.push('[');
                for (nth, place) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
                    separate(nth, out);
                    element.write(place, out);
                }
                out.push(']');
            }
            Self::Map {
                offsets, keys, value, ..
            } => {
                out.push('{');
                for (nth, place) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
                    separate(nth, out);
                    quoted(keys.value(place), out);
                    out.push(':');
                    value.write(place, out);
                }
                out.push('}');
            }
            Self::Row { fields, .. } => {
                out.push('{');
                for (nth, (name, field)) in fields.iter().enumerate() {
                    separate(nth, out);
                    quoted(name, out);
                    out.push(':');
                    field.write(row, out);
                }
                out.push('}');
            }
        }
    }
}

fn separate(nth: usize, out: &mut String) {
    if nth > 0 {
        out.push(',');
    }
}

/// Values as CAST prints them.
pub(crate) fn text_of(column: &ArrayRef) -> Result<StringArray> {
    let args = [ColumnarValue::Array(Arc::clone(column))];
    let text = choice::to_text(&Call {
        name: "JSON_STRING",
        args: &args,
        rows: column.len(),
        result: &DataType::Utf8,
    })?;
    Ok(text.as_string().clone())
}

/// A value as JSON.
fn string(call: &Call<'_>) -> Result<ArrayRef> {
    let json = Json::new(&call.column(0)?)?;
    call.texts(|row, out| {
        if json.is_null(row) {
            return None;
        }
        json.write(row, out);
        Some(())
    })
}

/// `"key":json`; null if there is no JSON.
fn entry(call: &Call<'_>) -> Result<ArrayRef> {
    let (key, json) = (call.text(0)?, call.text(1)?);
    call.try_texts(|row, out| {
        let Some(json) = json.get(row) else {
            return Ok(None);
        };
        let Some(key) = key.get(row) else {
            return exec_err!("a key of a JSON object is NULL");
        };
        quoted(key, out);
        out.push(':');
        out.push_str(json);
        Ok(Some(()))
    })
}

fn join(call: &Call<'_>) -> Result<ArrayRef> {
    let (open, close) = (call.text(0)?, call.text(1)?);
    let items = (2..call.count())
        .map(|index| call.text(index))
        .collect::<Result<Vec<Text<'_>>>>()?;
    call.texts(|row, out| {
        out.push_str(open.get(row)?);
        let set = items.iter().filter_map(|item| item.get(row));
        for (nth, item) in set.enumerate() {
            separate(nth, out);
            out.push_str(item);
        }
        out.push_str(close.get(row)?);
        Some(())
    })
}

/// JSON in a text, without the blanks between its parts; an empty text is null.
fn raw(call: &Call<'_>) -> Result<ArrayRef> {
    let json = call.text(0)?;
    call.try_texts(|row, out| {
        let Some(json) = json.get(row).filter(|json| !json.is_empty()) else {
            return Ok(None);
        };
        if let Err(error) = serde_json::from_str::<&RawValue>(json) {
            return exec_err!("JSON takes a text that is JSON: {error}");
        }
        compact(json, out);
        Ok(Some(()))
    })
}

fn compact(json: &str, out: &mut String) {
    let (mut in_text, mut escaped) = (false, false);
    for c in json.chars() {
        if in_text {
            in_text = escaped || c != '"';
            escaped = c == '\\' && !escaped;
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            in_text = c == '"';
        }
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use datafusion_common::ScalarValue;

    use crate::testing::{call, check, int, text as s};

    #[test]
    fn values_become_json() {
        check("JSON_STRING", &[s("a\"b")], Some("\"a\\\"b\""));
        check("JSON_STRING", &[int(5)], Some("5"));
        check("JSON_STRING", &[ScalarValue::Boolean(Some(true))], Some("true"));
        check("JSON_STRING", &[ScalarValue::Int32(None)], None);
        check(
            "JSON_STRING",
            &[ScalarValue::Binary(Some(vec![1, 2]))],
            Some("\"AQI=\""),
        );
    }

    #[test]
    fn nested_values_become_nested_json() {
        let row = call("ROW", &[s("x"), int(1), s(None::<&str>)]).expect("a row");
        check(
            "JSON_STRING",
            &[row],
            Some(r#"{"EXPR$0":"x","EXPR$1":1,"EXPR$2":null}"#),
        );
        let map = call("STR_TO_MAP", &[s("a=1,b")]).expect("a map");
        check("JSON_STRING", &[map], Some(r#"{"a":"1","b":null}"#));
        let array = call("SPLIT", &[s("p;q"), s(";")]).expect("an array");
        check("JSON_STRING", &[array], Some(r#"["p","q"]"#));
    }

    #[test]
    fn objects_and_arrays_are_put_together() {
        check("$JSON_ENTRY", &[s("a\n"), s("1")], Some("\"a\\n\":1"));
        check("$JSON_ENTRY", &[s("a"), s(None::<&str>)], None);
        check(
            "$JSON_JOIN",
            &[s("["), s("]"), s("1"), s(None::<&str>), s("2")],
            Some("[1,2]"),
        );
        check("$JSON_JOIN", &[s("{"), s("}")], Some("{}"));
        check(
            "$JSON_RAW",
            &[s(r#" { "a b" : [1, "\" x"] } "#)],
            Some(r#"{"a b":[1,"\" x"]}"#),
        );
        check("$JSON_RAW", &[s("")], None);
        assert!(call("$JSON_RAW", &[s("{")]).is_err());
    }
}
