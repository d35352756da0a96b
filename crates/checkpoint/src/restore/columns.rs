//! Which columns of a table of state are which in a later version of the query.

use crate::manifest::{PartShape, TableShape};

/// Where the columns behind the key of a table come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// The place of each behind the old key; none: it begins with nothing.
    pub columns: Vec<Option<usize>>,
    /// How many the old table has behind its key.
    pub old_columns: usize,
    /// What begins with nothing.
    pub begins: Vec<String>,
    /// What the old table has and the new one has not.
    pub gone: Vec<String>,
}

impl Fit {
    /// Whether rows are what they were.
    pub fn is_same(&self) -> bool {
        self.columns.iter().copied().eq((0..self.old_columns).map(Some))
    }
}

/// Finds the columns behind the key by what they are of, or by their places if one of the tables does not say.
///
/// # Errors
/// A sentence that says why rows of the old table are of no use in the new one. The columns of the keys are not compared.
pub fn fit(old: &TableShape, new: &TableShape) -> Result<Fit, String> {
    let (was, is) = (values(old), values(new));
    let (Some(old_parts), Some(new_parts)) = (parts(old), parts(new)) else {
        return by_place(old, was, is);
    };
    let mut fit = Fit {
        old_columns: was.len(),
        ..Fit::default()
    };
    for (part, at) in &new_parts {
        let types = &is[*at..at + part.columns];
        let Some((known, from)) = old_parts.iter().find(|(known, _)| known.name == part.name) else {
            fit.columns.extend(types.iter().map(|_| None));
            begin(old, part)?;
            fit.begins.push(part.name.clone());
            continue;
        };
        let had = &was[*from..from + known.columns];
        if had != types {
            return Err(changed(&part.name, old, had, types));
        }
        fit.columns.extend((*from..from + known.columns).map(Some));
    }
    let is_gone = |part: &PartShape| new_parts.iter().all(|(new, _)| new.name != part.name);
    let gone = old_parts.iter().filter(|(part, _)| is_gone(part));
    fit.gone = gone
        .map(|(part, _)| part.name.clone())
        .filter(|name| !name.starts_with('$'))
        .collect();
    Ok(fit)
}

fn begin(old: &TableShape, part: &PartShape) -> Result<(), String> {
    if part.may_begin {
        return Ok(());
    }
    if part.name.starts_with('$') {
        return Err(format!(
            "its table '{}' lacks a column '{}' that it keeps now",
            old.name, part.name
        ));
    }
    Err(format!(
        "its table '{}' lacks {}, which cannot begin now: rows that it has not seen may be taken back",
        old.name, part.name
    ))
}

fn by_place(old: &TableShape, was: &[String], is: &[String]) -> Result<Fit, String> {
    if was != is {
        return Err(changed("what is kept per key", old, was, is));
    }
    Ok(Fit {
        columns: (0..is.len()).map(Some).collect(),
        old_columns: was.len(),
        ..Fit::default()
    })
}

fn changed(what: &str, table: &TableShape, was: &[String], is: &[String]) -> String {
    format!(
        "{what} of its table '{}' was ({}) and is ({})",
        table.name,
        was.join(", "),
        is.join(", ")
    )
}

fn values(table: &TableShape) -> &[String] {
    table.types.get(table.key..).unwrap_or_default()
}

/// The parts of a table with the place of the first column of each; none: it has none that are all of its columns.
fn parts(table: &TableShape) -> Option<Vec<(&PartShape, usize)>> {
    let mut end = 0_usize;
    let mut placed = Vec::with_capacity(table.parts.len());
    for part in &table.parts {
        placed.push((part, end));
        end = end.checked_add(part.columns)?;
    }
    (!placed.is_empty() && end == values(table).len()).then_some(placed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(parts: &[(&str, &[&str])]) -> TableShape {
        let types = parts.iter().flat_map(|(_, types)| types.iter());
        TableShape {
            name: "groups".to_owned(),
            schema: String::new(),
            partition: 1,
            key: 1,
            types: std::iter::once(&"Utf8")
                .chain(types)
                .map(|t| (*t).to_owned())
                .collect(),
            parts: parts
                .iter()
                .map(|(name, types)| PartShape {
                    name: (*name).to_owned(),
                    columns: types.len(),
                    may_begin: !name.starts_with('$'),
                })
                .collect(),
        }
    }

    const ROWS: (&str, &[&str]) = ("$rows", &["Int64"]);
    const SUM: (&str, &[&str]) = ("SUM(a)", &["Int64"]);
    const AVG: (&str, &[&str]) = ("AVG(a)", &["Int64", "Int64"]);

    #[test]
    fn aggregates_are_found_wherever_they_stand() {
        let fit = fit(&table(&[ROWS, SUM, AVG]), &table(&[ROWS, AVG, SUM])).expect("fits");
        assert_eq!(fit.columns, [Some(0), Some(2), Some(3), Some(1)]);
        assert!(fit.begins.is_empty() && fit.gone.is_empty() && !fit.is_same());
    }

    #[test]
    fn an_added_aggregate_begins_and_a_removed_one_is_gone() {
        let fit = fit(&table(&[ROWS, SUM]), &table(&[ROWS, AVG])).expect("fits");
        assert_eq!(fit.columns, [Some(0), None, None]);
        assert_eq!(
            (fit.begins.as_slice(), fit.gone.as_slice()),
            (&["AVG(a)".to_owned()][..], &["SUM(a)".to_owned()][..])
        );
        let last_gone = super::fit(&table(&[ROWS, SUM, AVG]), &table(&[ROWS, SUM])).expect("fits");
        assert!(!last_gone.is_same(), "the rows have columns less");
    }

    #[test]
    fn the_same_aggregates_are_the_same_and_of_two_with_one_state_both_have_it() {
        let same = fit(&table(&[ROWS, SUM]), &table(&[ROWS, SUM])).expect("fits");
        assert!(same.is_same());
        let twice = fit(&table(&[ROWS, SUM]), &table(&[ROWS, SUM, SUM])).expect("fits");
        assert_eq!(twice.columns, [Some(0), Some(1), Some(1)]);
        let once = fit(&table(&[ROWS, SUM, SUM]), &table(&[ROWS, SUM])).expect("fits");
        assert!(!once.is_same() && once.gone.is_empty());
    }

    #[test]
    fn what_cannot_begin_or_has_another_type_is_refused_with_a_sentence() {
        let refused = |old: &[(&str, &[&str])], new: &[(&str, &[&str])], why: &str| {
            assert_eq!(fit(&table(old), &table(new)), Err(why.to_owned()));
        };
        refused(
            &[ROWS],
            &[ROWS, ("$written", &["Int64"])],
            "its table 'groups' lacks a column '$written' that it keeps now",
        );
        refused(
            &[ROWS, SUM],
            &[ROWS, ("SUM(a)", &["Float64"])],
            "SUM(a) of its table 'groups' was (Int64) and is (Float64)",
        );
        let mut retracting = table(&[ROWS, SUM]);
        retracting.parts[1].may_begin = false;
        assert_eq!(
            fit(&table(&[ROWS]), &retracting),
            Err("its table 'groups' lacks SUM(a), which cannot begin now: rows that it has not seen may be taken back".to_owned())
        );
    }

    #[test]
    fn tables_without_names_are_compared_by_place() {
        let mut old = table(&[ROWS, SUM]);
        old.parts.clear();
        assert!(fit(&old, &table(&[ROWS, SUM])).expect("fits").is_same());
        assert_eq!(
            fit(&old, &table(&[ROWS, AVG])),
            Err(
                "what is kept per key of its table 'groups' was (Int64, Int64) and is (Int64, Int64, Int64)"
                    .to_owned()
            )
        );
    }
}
