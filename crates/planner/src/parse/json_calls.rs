//! `JSON_VALUE`, `JSON_QUERY` and `JSON_EXISTS` as calls of the functions that do the work.

use sqlparser::ast::{DataType, ExactNumberInfo, Expr, Function};
use weir_model::Location;

use super::desugar::{all_arguments, cast, literal_text, named_call, null, text};
use crate::error::{self, Result};

/// What the clauses say.
struct Clauses {
    returning: Option<DataType>,
    wrapper: &'static str,
    empty: (String, Expr),
    wrong: (String, Expr),
}

/// The call in its plain form, its clauses being texts behind the path.
pub(super) fn rewrite(function: &mut Function, name: &str, at: Location) -> Result<Expr> {
    let mut args = all_arguments(function, at)?.into_iter();
    let (Some(json), Some(path)) = (args.next(), args.next()) else {
        return Err(error::type_error(at, format!("{name} takes a STRING and a path")));
    };
    let Some(literal) = literal_text(&path) else {
        return Err(error::unsupported(
            at,
            format!("the path of {name} must be a text in single quotes"),
        ));
    };
    weir_functions::check_json_path(literal).map_err(|reason| error::unsupported(at, reason))?;
    let clauses = clauses(args, name, at)?;
    let (empty, wrong) = (text(&clauses.empty.0), text(&clauses.wrong.0));
    Ok(match name {
        "JSON_VALUE" => {
            let defaults =
                [clauses.empty.1, clauses.wrong.1].map(|default| named_call("$TEXT", vec![default]));
            let [default_empty, default_wrong] = defaults;
            let value = named_call(
                "$JSON_VALUE",
                vec![json, path, empty, wrong, default_empty, default_wrong],
            );
            match clauses.returning {
                Some(data_type) => cast(value, data_type),
                None => value,
            }
        }
        "JSON_QUERY" => named_call(
            "$JSON_QUERY",
            vec![json, path, empty, wrong, text(clauses.wrapper)],
        ),
        _ => named_call("$JSON_EXISTS", vec![json, path, wrong]),
    })
}

fn clauses(mut args: impl Iterator<Item = Expr>, name: &str, at: Location) -> Result<Clauses> {
    let mut clauses = Clauses {
        returning: None,
        wrapper: "WITHOUT",
        empty: ("NULL".into(), null()),
        wrong: (
            if name == "JSON_EXISTS" { "FALSE" } else { "NULL" }.into(),
            null(),
        ),
    };
    while let Some(arg) = args.next() {
        let words = literal_text(&arg).unwrap_or_default().to_owned();
        let refuse = || error::unsupported(at, format!("the clause '{words}' of {name} is not supported"));
        if let Some(data_type) = words.strip_prefix("RETURNING ").filter(|_| name == "JSON_VALUE") {
            clauses.returning = match data_type {
                "STRING" | "VARCHAR" => None,
                other => Some(returned(other).ok_or_else(refuse)?),
            };
        } else if name == "JSON_QUERY" && words.ends_with("WRAPPER") {
            clauses.wrapper = wrapper(&words).ok_or_else(refuse)?;
        } else if let Some(behaviour) = words.strip_suffix(" ON EMPTY").filter(|_| name != "JSON_EXISTS") {
            let default = if behaviour == "DEFAULT" { args.next() } else { None };
            check(behaviour, name).ok_or_else(refuse)?;
            clauses.empty = (behaviour.to_owned(), default.unwrap_or_else(null));
        } else if let Some(behaviour) = words.strip_suffix(" ON ERROR") {
            let default = if behaviour == "DEFAULT" { args.next() } else { None };
            check(behaviour, name).ok_or_else(refuse)?;
            clauses.wrong = (behaviour.to_owned(), default.unwrap_or_else(null));
        } else {
            return Err(refuse());
        }
    }
    Ok(clauses)
}

/// Whether a function knows what to give instead of a value.
fn check(behaviour: &str, name: &str) -> Option<()> {
    let known: &[&str] = match name {
        "JSON_VALUE" => &["NULL", "ERROR", "DEFAULT"],
        "JSON_QUERY" => &["NULL", "ERROR", "EMPTY ARRAY", "EMPTY OBJECT"],
        _ => &["TRUE", "FALSE", "UNKNOWN", "ERROR"],
    };
    known.contains(&behaviour).then_some(())
}

fn wrapper(words: &str) -> Option<&'static str> {
    match words {
        "WITHOUT WRAPPER" | "WITHOUT ARRAY WRAPPER" => Some("WITHOUT"),
        "WITH WRAPPER"
        | "WITH ARRAY WRAPPER"
        | "WITH UNCONDITIONAL WRAPPER"
        | "WITH UNCONDITIONAL ARRAY WRAPPER" => Some("UNCONDITIONAL"),
        "WITH CONDITIONAL WRAPPER" | "WITH CONDITIONAL ARRAY WRAPPER" => Some("CONDITIONAL"),
        _ => None,
    }
}

/// The type that a value is cast to.
fn returned(words: &str) -> Option<DataType> {
    Some(match words {
        "BOOLEAN" => DataType::Boolean,
        "INT" | "INTEGER" => DataType::Int(None),
        "BIGINT" => DataType::BigInt(None),
        "DOUBLE" => DataType::Double(ExactNumberInfo::None),
        _ => return None,
    })
}
