//! How a command ends when it does not end well: exit codes that scripts can use, and messages for people.

use std::{fmt, process::ExitCode};

use weir_model::{Location, Problem};

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The job failed or the operation did: exit code 1.
    Failed(String),
    /// The request was wrong: exit code 2.
    Wrong(String),
    /// The server cannot be reached: exit code 3.
    Unreachable(String),
}

impl Outcome {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    pub(crate) fn wrong(message: impl Into<String>) -> Self {
        Self::Wrong(message.into())
    }

    /// A problem with the SQL, shown at its place.
    pub(crate) fn problem(problem: &Problem, sql: Option<&str>) -> Self {
        let message = format!("error[{}]: {problem}", problem.code);
        let shown = match (problem.location, sql) {
            (Some(location), Some(sql)) => format!("{message}{}", excerpt(sql, location)),
            _ => message,
        };
        if problem.status < 500 {
            Self::Wrong(shown)
        } else {
            Self::Failed(shown)
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Wrong(_) => 2,
            Self::Unreachable(_) => 3,
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) | Self::Wrong(message) | Self::Unreachable(message) => {
                f.write_str("weir: ")?;
                f.write_str(message)
            }
        }
    }
}

/// The line of the SQL with a caret under the column; nothing when the place lies outside the text.
fn excerpt(sql: &str, location: Location) -> String {
    let number = location.line.saturating_sub(1) as usize;
    let Some(line) = sql.lines().nth(number) else {
        return String::new();
    };
    let margin = format!("{:>5} | ", location.line);
    // Tabs stay tabs so that the caret stands under its character.
    let indent: String = line
        .chars()
        .take(location.column.saturating_sub(1) as usize)
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    format!("\n{margin}{line}\n{:>5} | {indent}^", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_column() {
        let shown = excerpt("SELECT a\nFROM\tt", Location { line: 2, column: 6 });
        assert_eq!(shown, "\n    2 | FROM\tt\n      |     \t^");
    }

    #[test]
    fn a_place_outside_the_text_shows_nothing() {
        assert_eq!(excerpt("SELECT 1", Location { line: 9, column: 1 }), "");
    }
}
