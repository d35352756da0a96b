//! Printed changes, played back.

use anyhow::{Context, Result, bail};

/// What each line of a changing result begins with.
const MARK: &str = "{\"$op\":\"";

/// The rows that are left when all changes have happened. Lines that are not changes are rows that are only added.
///
/// # Errors
/// A row that is taken back and was not there.
pub fn materialize(lines: Vec<String>) -> Result<Vec<String>> {
    if !lines.iter().any(|line| line.starts_with(MARK)) {
        return Ok(lines);
    }
    let mut rows: std::collections::BTreeMap<String, i64> = std::collections::BTreeMap::new();
    // Writers of several subtasks mix, but a row is added and taken back by the same one.
    for line in &lines {
        let (kind, row) = split(line)?;
        let count = rows.entry(row).or_default();
        match kind {
            "+I" | "+U" => *count += 1,
            "-U" | "-D" => {
                *count -= 1;
                if *count < 0 {
                    bail!("a row is taken back that is not there: {line}");
                }
            }
            other => bail!("an unknown change {other}: {line}"),
        }
    }
    let repeated = rows
        .into_iter()
        .flat_map(|(row, count)| std::iter::repeat_n(row, usize::try_from(count).unwrap_or_default()));
    Ok(repeated.collect())
}

/// What a line does, and its row.
fn split(line: &str) -> Result<(&str, String)> {
    let rest = line
        .strip_prefix(MARK)
        .with_context(|| format!("not a change: {line}"))?;
    let (kind, rest) = rest
        .split_at_checked(2)
        .with_context(|| format!("not a change: {line}"))?;
    let row = rest
        .strip_prefix("\",")
        .with_context(|| format!("not a change: {line}"))?;
    Ok((kind, format!("{{{row}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn what_is_taken_back_is_gone_and_the_rest_stays() {
        let changes = lines(&[
            r#"{"$op":"+I","a":1}"#,
            r#"{"$op":"-U","a":1}"#,
            r#"{"$op":"+U","a":2}"#,
            r#"{"$op":"+I","a":2}"#,
        ]);
        let left = materialize(changes).expect("in order");
        assert_eq!(left, [r#"{"a":2}"#, r#"{"a":2}"#]);
    }

    #[test]
    fn rows_without_changes_are_left_alone() {
        let rows = lines(&[r#"{"a":1}"#, r#"{"a":1}"#]);
        assert_eq!(materialize(rows.clone()).expect("rows"), rows);
    }

    #[test]
    fn taking_back_what_is_not_there_is_an_error() {
        assert!(materialize(lines(&[r#"{"$op":"-D","a":1}"#])).is_err());
    }
}
