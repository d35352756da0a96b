//! JSON in texts.
//!
//! Paths are JSONPath (RFC 9535), with `lax` or `strict` before them. What a path does not find is *empty*; so is, in lax
//! mode, what has not the kind that the function gives. In strict mode either is an *error*, as is a text that is no JSON.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray};
use datafusion_common::{Result, exec_err};
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::{
    call::{Call, Text},
    define::{BOOL, Def, TEXT, Takes, def},
    json_build::quoted,
};

use Takes::Text as TextArg;

pub(crate) const FUNCTIONS: &[Def] = &[
    // json, path, what if empty, what if wrong, and the defaults of both
    def("$JSON_VALUE", &[TextArg; 6], TEXT, value),
    // json, path, what if empty, what if wrong, wrapper
    def("$JSON_QUERY", &[TextArg; 5], TEXT, query),
    // json, path, what if wrong
    def("$JSON_EXISTS", &[TextArg; 3], BOOL, exists),
    def("JSON_QUOTE", &[TextArg], TEXT, quote),
    def("JSON_UNQUOTE", &[TextArg], TEXT, unquote),
];

/// A path, taken apart.
struct Path {
    path: JsonPath,
    strict: bool,
    /// It may find many values, which are then a list.
    many: bool,
}

impl Path {
    fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let (strict, path) = match trimmed.split_once(' ') {
            Some((mode, path)) if mode.eq_ignore_ascii_case("lax") => (false, path.trim()),
            Some((mode, path)) if mode.eq_ignore_ascii_case("strict") => (true, path.trim()),
            _ => (false, trimmed),
        };
        let many = ["..", "*", "?", ":", ","].iter().any(|sign| path.contains(sign));
        match JsonPath::parse(path) {
            Ok(path) => Ok(Self { path, strict, many }),
            Err(_) => Err(format!("'{text}' is not a JSON path: write '$.field[0].other'")),
        }
    }

    /// What the path finds; none if that is nothing or a null.
    fn find(&self, json: &Value) -> Option<Value> {
        let nodes = self.path.query(json);
        if self.many {
            return Some(Value::Array(nodes.all().into_iter().cloned().collect()));
        }
        nodes.exactly_one().ok().filter(|value| !value.is_null()).cloned()
    }
}

/// Why there is no value.
enum Missing {
    Empty,
    Error(String),
}

/// The JSON and the path of a call.
struct Lookup<'a> {
    json: Text<'a>,
    path: Path,
}

impl<'a> Lookup<'a> {
    /// None if the path is NULL.
    fn new(call: &Call<'a>) -> Result<Option<Self>> {
        if !call.is_constant(1) {
            return exec_err!(
                "the path of {} must be a text in single quotes",
                call.name.trim_start_matches('$')
            );
        }
        let Some(text) = call.text(1)?.get(0) else {
            return Ok(None);
        };
        match Path::parse(text) {
            Ok(path) => Ok(Some(Self {
                json: call.text(0)?,
                path,
            })),
            Err(reason) => exec_err!("{reason}"),
        }
    }

    /// None for a NULL.
    fn get(&self, row: usize) -> Option<Result<Value, Missing>> {
        let json: Value = match serde_json::from_str(self.json.get(row)?) {
            Ok(json) => json,
            Err(error) => return Some(Err(Missing::Error(format!("a text is no JSON: {error}")))),
        };
        Some(match self.path.find(&json) {
            Some(value) => Ok(value),
            None if self.path.strict => Err(Missing::Error("the path finds nothing".into())),
            None => Err(Missing::Empty),
        })
    }

    /// What has not the kind that a function gives.
    fn misfit(&self, what: &str) -> Missing {
        if self.path.strict {
            Missing::Error(format!("the path finds {what}"))
        } else {
            Missing::Empty
        }
    }
}

/// What to give instead: `NULL`, `ERROR`, `DEFAULT` and such, the same for all rows.
fn instead<'a>(call: &Call<'a>, index: usize) -> Result<&'a str> {
    Ok(call.text(index)?.get(0).unwrap_or("NULL"))
}

fn value(call: &Call<'_>) -> Result<ArrayRef> {
    let Some(lookup) = Lookup::new(call)? else {
        return call.texts(|_, _| None);
    };
    let (empty, wrong) = (instead(call, 2)?, instead(call, 3)?);
    let defaults = (call.text(4)?, call.text(5)?);
    call.try_texts(|row, out| {
        let found = match lookup.get(row) {
            None => return Ok(None),
            Some(Ok(found)) => found,
            Some(Err(missing)) => return missed(&missing, empty, wrong, defaults, row, out),
        };
        match found {
            Value::String(text) => out.push_str(&text),
            Value::Array(_) | Value::Object(_) => {
                let missing = lookup.misfit("no scalar");
                return missed(&missing, empty, wrong, defaults, row, out);
            }
            other => out.push_str(&other.to_string()),
        }
        Ok(Some(()))
    })
}

fn missed(
    missing: &Missing,
    empty: &str,
    wrong: &str,
    defaults: (Text<'_>, Text<'_>),
    row: usize,
    out: &mut String,
) -> Result<Option<()>> {
    let (behaviour, default, reason) = match missing {
        Missing::Empty => (empty, defaults.0, "the path finds nothing"),
        Missing::Error(reason) => (wrong, defaults.1, reason.as_str()),
    };
    match behaviour {
        "ERROR" => exec_err!("{reason}"),
        "DEFAULT" => Ok(default.get(row).map(|text| out.push_str(text))),
        "EMPTY ARRAY" => {
            out.push_str("[]");
            Ok(Some(()))
        }
        "EMPTY OBJECT" => {
            out.push_str("{}");
            Ok(Some(()))
        }
        _ => Ok(None),
    }
}

fn query(call: &Call<'_>) -> Result<ArrayRef> {
    let Some(lookup) = Lookup::new(call)? else {
        return call.texts(|_, _| None);
    };
    let (empty, wrong, wrapper) = (instead(call, 2)?, instead(call, 3)?, instead(call, 4)?);
    let defaults = (Text::One(None), Text::One(None));
    call.try_texts(|row, out| {
        let found = match lookup.get(row) {
            None => return Ok(None),
            Some(Ok(found)) => found,
            Some(Err(missing)) => return missed(&missing, empty, wrong, defaults, row, out),
        };
        let wrapped = match wrapper {
            "UNCONDITIONAL" => Value::Array(vec![found]),
            "CONDITIONAL" if !found.is_array() => Value::Array(vec![found]),
            _ => found,
        };
        if !wrapped.is_array() && !wrapped.is_object() {
            let missing = lookup.misfit("a scalar");
            return missed(&missing, empty, wrong, defaults, row, out);
        }
        out.push_str(&wrapped.to_string());
        Ok(Some(()))
    })
}

fn exists(call: &Call<'_>) -> Result<ArrayRef> {
    let Some(lookup) = Lookup::new(call)? else {
        return Ok(call.truths(|_| None));
    };
    let wrong = instead(call, 2)?;
    let found = (0..call.rows).map(|row| match lookup.get(row) {
        None => Ok(None),
        Some(Ok(_)) => Ok(Some(true)),
        Some(Err(Missing::Empty)) => Ok(Some(false)),
        Some(Err(Missing::Error(reason))) => match wrong {
            "TRUE" => Ok(Some(true)),
            "UNKNOWN" => Ok(None),
            "ERROR" => exec_err!("{reason}"),
            _ => Ok(Some(false)),
        },
    });
    Ok(Arc::new(found.collect::<Result<BooleanArray>>()?))
}

fn quote(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    call.texts(|row, out| {
        quoted(text.get(row)?, out);
        Some(())
    })
}

/// What is no text in quotes, or not well-formed, stays as it is.
fn unquote(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    call.texts(|row, out| {
        let text = text.get(row)?;
        match serde_json::from_str(text) {
            Ok(Value::String(inner)) => out.push_str(&inner),
            _ => out.push_str(text),
        }
        Some(())
    })
}

/// Whether a path is one that runs here, or why not.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    Path::parse(path).map(drop)
}

#[cfg(test)]
mod tests {
    use datafusion_common::ScalarValue;

    use crate::testing::{call, check, text as s};

    const JSON: &str = r#"{"a":{"b":[1,"two",null]},"t":"x","f":1.5,"o":true}"#;

    #[test]
    fn scalars_are_found() {
        let of = |path: &str, empty: &str, wrong: &str, expected| {
            let args = [s(JSON), s(path), s(empty), s(wrong), s("E"), s("W")];
            check_constant("$JSON_VALUE", &args, expected);
        };
        of("$.t", "NULL", "NULL", Some("x"));
        of("lax $.a.b[0]", "NULL", "NULL", Some("1"));
        of("$.f", "NULL", "NULL", Some("1.5"));
        of("$.o", "NULL", "NULL", Some("true"));
        of("$.a", "NULL", "DEFAULT", None);
        of("strict $.a", "NULL", "DEFAULT", Some("W"));
        of("$.nothing", "DEFAULT", "NULL", Some("E"));
        of("strict $.nothing", "NULL", "DEFAULT", Some("W"));
        of("$.a.b[2]", "DEFAULT", "NULL", Some("E"));
        let broken = [s("{"), s("$.a"), s("ERROR"), s("NULL"), s("E"), s("W")];
        check_constant("$JSON_VALUE", &broken, None);
    }

    /// The path and what to give instead are constants; the JSON is one in this test, too.
    fn check_constant(name: &str, args: &[ScalarValue], expected: Option<&str>) {
        assert_eq!(call(name, args), Ok(s(expected)), "{name} of {args:?}");
    }

    #[test]
    fn parts_are_found_and_wrapped() {
        let of = |path: &str, empty: &str, wrapper: &str, expected| {
            let args = [s(JSON), s(path), s(empty), s("NULL"), s(wrapper)];
            check_constant("$JSON_QUERY", &args, expected);
        };
        of("$.a", "NULL", "WITHOUT", Some(r#"{"b":[1,"two",null]}"#));
        of("$.t", "NULL", "WITHOUT", None);
        of("$.t", "EMPTY OBJECT", "WITHOUT", Some("{}"));
        of("$.t", "NULL", "CONDITIONAL", Some(r#"["x"]"#));
        of("$.a.b", "NULL", "CONDITIONAL", Some(r#"[1,"two",null]"#));
        of("$.a.b", "NULL", "UNCONDITIONAL", Some(r#"[[1,"two",null]]"#));
        of("$.a.b[*]", "NULL", "WITHOUT", Some(r#"[1,"two",null]"#));
        let exists = |json: &str, path: &str| call("$JSON_EXISTS", &[s(json), s(path), s("FALSE")]);
        assert_eq!(exists(JSON, "$.a.b[1]"), Ok(ScalarValue::Boolean(Some(true))));
        assert_eq!(exists(JSON, "$.a.c"), Ok(ScalarValue::Boolean(Some(false))));
        assert_eq!(exists("x", "$.a.c"), Ok(ScalarValue::Boolean(Some(false))));
    }

    #[test]
    fn texts_are_put_in_quotes_and_taken_out() {
        check("JSON_QUOTE", &[s("a\n")], Some("\"a\\n\""));
        check("JSON_UNQUOTE", &[s("\"a\\u0041\"")], Some("aA"));
        check("JSON_UNQUOTE", &[s("a")], Some("a"));
    }
}
