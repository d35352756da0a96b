//! The columns of CSV records, and whether the first says their names.

use std::collections::HashSet;

use arrow_schema::{Field, Schema};

use super::shape::Shape;
use crate::{format::csv::split_fields, options::Options};

const DELIMITER: &str = "csv.field-delimiter";
const QUOTE: &str = "csv.quote-character";
const HEADER: &str = "csv.header";

/// The character that parts all records into as many fields, more than one; none if no likely one does.
pub(super) fn delimiter(records: &[Vec<u8>]) -> Option<u8> {
    let text = joined(records);
    [b',', b'\t', b';', b'|'].into_iter().find(|delimiter| {
        let rows = split_fields(&text, *delimiter, b'"');
        let widths: HashSet<_> = rows.iter().map(Vec::len).collect();
        widths.len() == 1 && widths.iter().all(|width| *width > 1)
    })
}

/// The columns; adds options that reading the records needs.
pub(super) fn columns(records: &[Vec<u8>], given: &Options, options: &mut Options) -> Result<Schema, String> {
    let one = |key: &str| {
        given.get(key).map(|text| {
            if text == "\\t" {
                b'\t'
            } else {
                text.as_bytes().first().copied().unwrap_or(b',')
            }
        })
    };
    let delimiter = if let Some(delimiter) = one(DELIMITER) {
        delimiter
    } else {
        let found = delimiter(records).unwrap_or(b',');
        if found != b',' {
            let text = match found {
                b'\t' => "\\t".to_owned(),
                other => char::from(other).to_string(),
            };
            options.insert(DELIMITER.to_owned(), text);
        }
        found
    };
    let rows = split_fields(&joined(records), delimiter, one(QUOTE).unwrap_or(b'"'));
    let Some((first, others)) = rows.split_first() else {
        return Err("no record of CSV was found".to_owned());
    };
    let has_header = match given.get(HEADER) {
        Some(said) => said.trim().eq_ignore_ascii_case("true"),
        None => is_header(first, others),
    };
    if has_header && !given.contains_key(HEADER) {
        options.insert(HEADER.to_owned(), "true".to_owned());
    }
    let values = if has_header { others } else { &rows };
    let name = |place: usize| match first.get(place) {
        Some(name) if has_header && !name.trim().is_empty() => name.trim().to_owned(),
        _ => format!("column_{}", place + 1),
    };
    let fields =
        (0..first.len()).map(|place| Field::new(name(place), shape(values, place).data_type(), true));
    Ok(Schema::new(fields.collect::<Vec<_>>()))
}

/// The records as a text of lines, as they are in a file.
fn joined(records: &[Vec<u8>]) -> Vec<u8> {
    records.join(&b'\n')
}

/// Whether the first record has names of columns: texts that differ, where others have numbers or the like, or never the same texts.
fn is_header(first: &[String], others: &[Vec<String>]) -> bool {
    let is_name = |name: &String| {
        let mut letters = name.trim().chars();
        letters
            .next()
            .is_some_and(|first| first.is_alphabetic() || first == '_')
            && letters.all(|c| c.is_alphanumeric() || "_ -./".contains(c))
    };
    let names: HashSet<_> = first.iter().collect();
    if others.is_empty() || names.len() != first.len() || !first.iter().all(is_name) {
        return false;
    }
    let is_typed = |place: usize| !matches!(shape(others, place), Shape::Text | Shape::Null);
    let comes_again = |place: usize| others.iter().any(|row| row.get(place) == first.get(place));
    let all_are_names = (0..first.len()).all(|place| shape(&[first.to_vec()], place) == Shape::Text);
    all_are_names && ((0..first.len()).any(is_typed) || !(0..first.len()).any(comes_again))
}

fn shape(rows: &[Vec<String>], place: usize) -> Shape {
    let values = rows.iter().filter_map(|row| row.get(place));
    values.map(|text| of_field(text)).fold(Shape::Null, Shape::and)
}

fn of_field(text: &str) -> Shape {
    let text = text.trim();
    if text.is_empty() {
        Shape::Null
    } else if text.parse::<i64>().is_ok() {
        Shape::Int
    } else if text.parse::<f64>().is_ok_and(f64::is_finite) {
        Shape::Double
    } else if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        Shape::Bool
    } else {
        Shape::of_text(text)
    }
}
