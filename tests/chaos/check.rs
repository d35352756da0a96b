//! What came out against what had to come out: lost, duplicated and wrong rows.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use anyhow::{Context, Result};
use serde_json::Value;

/// A row that came out, and where it was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// As a JSON object.
    pub(crate) row: String,
    /// A file, whose name says the checkpoint, or a table.
    pub(crate) place: String,
}

/// How an output differs from what it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// Rows that had to come out.
    pub(crate) expected: usize,
    /// Rows that did not come out.
    pub(crate) lost: Count,
    /// Rows that came out more often than they had to.
    pub(crate) duplicated: Count,
    /// Rows with the key of one that had to come out and other values, or with a key that none has.
    pub(crate) wrong: Count,
}

/// So many rows, with the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) rows: usize,
    pub(crate) first: Option<String>,
}

impl Count {
    fn add(&mut self, row: impl FnOnce() -> String) {
        self.rows += 1;
        if self.first.is_none() {
            self.first = Some(row());
        }
    }
}

impl Differences {
    /// Whether all is as it should be.
    pub(crate) fn none(&self) -> bool {
        self.lost.rows + self.duplicated.rows + self.wrong.rows == 0
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.expected)?;
        for (count, what) in [
            (&self.lost, "lost"),
            (&self.duplicated, "duplicated"),
            (&self.wrong, "wrong"),
        ] {
            write!(f, ", {} {what}", count.rows)?;
            if let Some(first) = &count.first {
                write!(f, " (first {first})")?;
            }
        }
        Ok(())
    }
}

/// The rows of one key.
#[derive(Default)]
struct Group {
    /// How often each row has yet to come out.
    expected: HashMap<String, usize>,
    /// Whether there are rows of the key at all.
    known: bool,
    /// What came out and fits none of these.
    rest: Vec<Found>,
}

/// Compares rows by their values in the key columns; none: by all of them.
pub(crate) fn compare(expected: &[String], found: Vec<Found>, keys: &[&str]) -> Result<Differences> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for row in expected {
        let (key, row) = split(row, keys)?;
        let group = groups.entry(key).or_default();
        group.known = true;
        *group.expected.entry(row).or_default() += 1;
    }
    for Found { row, place } in found {
        let (key, row) = split(&row, keys)?;
        let group = groups.entry(key).or_default();
        match group.expected.get_mut(&row) {
            Some(times) if *times > 0 => *times -= 1,
            _ => group.rest.push(Found { row, place }),
        }
    }
    let mut differences = Differences {
        expected: expected.len(),
        ..Differences::default()
    };
    for group in groups.into_values() {
        group.count(&mut differences);
    }
    Ok(differences)
}

impl Group {
    fn count(self, differences: &mut Differences) {
        let missing = self.expected.into_iter();
        let mut missing = missing.flat_map(|(row, times)| std::iter::repeat_n(row, times));
        for Found { row, place } in self.rest {
            match missing.next() {
                Some(instead) => differences
                    .wrong
                    .add(|| format!("{row} in {place}, instead of {instead}")),
                None if self.known => differences.duplicated.add(|| format!("{row} in {place}")),
                None => differences
                    .wrong
                    .add(|| format!("{row} in {place}, whose key none has")),
            }
        }
        for row in missing {
            differences.lost.add(|| row);
        }
    }
}

/// The key of a row, and the row in a form in which equal rows are equal texts.
fn split(row: &str, keys: &[&str]) -> Result<(String, String)> {
    let row: BTreeMap<String, Value> = serde_json::from_str(row).with_context(|| format!("no row: {row}"))?;
    let whole = serde_json::to_string(&row)?;
    if keys.is_empty() {
        return Ok((whole.clone(), whole));
    }
    let key = keys.iter().map(|key| {
        row.get(*key)
            .map(Value::to_string)
            .with_context(|| format!("no '{key}' in {whole}"))
    });
    Ok((key.collect::<Result<Vec<_>>>()?.join(" "), whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: &[&str], expected: &str) {
        let rows = [r#"{"k":1,"v":"a"}"#, r#"{"k":2,"v":"b"}"#].map(str::to_owned);
        let found = found.iter().map(|row| Found {
            row: (*row).to_owned(),
            place: "f".to_owned(),
        });
        let differences = compare(&rows, found.collect(), &["k"]).expect("rows");
        assert_eq!(differences.to_string(), expected);
        assert_eq!(
            differences.none(),
            expected == "2 rows, 0 lost, 0 duplicated, 0 wrong"
        );
    }

    #[test]
    fn each_kind_of_difference_is_told_with_its_first_row() {
        let (one, two) = (r#"{"v":"a","k":1}"#, r#"{"k":2,"v":"b"}"#);
        check(&[two, one], "2 rows, 0 lost, 0 duplicated, 0 wrong");
        check(
            &[one],
            r#"2 rows, 1 lost (first {"k":2,"v":"b"}), 0 duplicated, 0 wrong"#,
        );
        check(
            &[one, two, two],
            r#"2 rows, 0 lost, 1 duplicated (first {"k":2,"v":"b"} in f), 0 wrong"#,
        );
        check(
            &[one, r#"{"k":2,"v":"c"}"#],
            r#"2 rows, 0 lost, 0 duplicated, 1 wrong (first {"k":2,"v":"c"} in f, instead of {"k":2,"v":"b"})"#,
        );
        check(
            &[one, two, r#"{"k":3,"v":"c"}"#],
            r#"2 rows, 0 lost, 0 duplicated, 1 wrong (first {"k":3,"v":"c"} in f, whose key none has)"#,
        );
    }

    #[test]
    fn without_keys_rows_count_as_often_as_they_come() {
        let twice = ["{\"a\":1}".to_owned(), "{\"a\":1}".to_owned()];
        let found = |times| {
            let row = Found {
                row: "{\"a\":1}".to_owned(),
                place: "f".to_owned(),
            };
            vec![row; times]
        };
        for (times, lost, duplicated) in [(1, 1, 0), (2, 0, 0), (3, 0, 1)] {
            let differences = compare(&twice, found(times), &[]).expect("rows");
            assert_eq!(
                (differences.lost.rows, differences.duplicated.rows),
                (lost, duplicated)
            );
        }
    }
}
