//! `LIKE table (INCLUDING ... EXCLUDING ... OVERWRITING ...)`: what a table takes over from another one.

use sqlparser::tokenizer::Token;
use weir_model::Location;

use super::tokens::{Cursor, Name};
use crate::error::{self, Result};

/// `LIKE`
#[derive(Clone, Debug)]
pub(crate) struct Like {
    /// The other table.
    pub table: Name,
    /// What is said of its parts, in order.
    options: Vec<(Feature, Strategy)>,
}

/// A part of a table's definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// Every part of which nothing else is said.
    All,
    /// The primary key.
    Constraints,
    /// Computed columns.
    Generated,
    /// Metadata columns.
    Metadata,
    /// The `WITH` options.
    Options,
    /// `PARTITIONED BY`
    Partitions,
    /// `WATERMARK FOR`
    Watermarks,
}

/// What becomes of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// It is taken over, and must not be there a second time.
    Including,
    /// It is left out.
    Excluding,
    /// It is taken over where the new table does not say it anew.
    Overwriting,
}

const FEATURES: [(&str, Feature); 7] = [
    ("ALL", Feature::All),
    ("CONSTRAINTS", Feature::Constraints),
    ("GENERATED", Feature::Generated),
    ("METADATA", Feature::Metadata),
    ("OPTIONS", Feature::Options),
    ("PARTITIONS", Feature::Partitions),
    ("WATERMARKS", Feature::Watermarks),
];

const STRATEGIES: [(&str, Strategy); 3] = [
    ("INCLUDING", Strategy::Including),
    ("EXCLUDING", Strategy::Excluding),
    ("OVERWRITING", Strategy::Overwriting),
];

impl Like {
    /// What becomes of a part: what is said of it, or of all, or else Flink's default.
    pub(crate) fn strategy(&self, feature: Feature) -> Strategy {
        let said = |wanted: Feature| {
            let mut options = self.options.iter();
            options
                .find(|(of, _)| *of == wanted)
                .map(|(_, strategy)| *strategy)
        };
        said(feature)
            .or_else(|| said(Feature::All))
            .unwrap_or(match feature {
                Feature::Options => Strategy::Overwriting,
                _ => Strategy::Including,
            })
    }
}

/// What follows `LIKE`.
pub(super) fn like(cursor: &mut Cursor<'_>) -> Result<Like> {
    let table = cursor.table_name()?;
    let mut options: Vec<(Feature, Strategy)> = Vec::new();
    if cursor.eat_token(&Token::LParen) {
        while !cursor.eat_token(&Token::RParen) {
            let at = cursor.at();
            let option = option(cursor, at)?;
            if options.iter().any(|(feature, _)| *feature == option.0) {
                return Err(error::invalid(at, "one thing is said twice in LIKE"));
            }
            options.push(option);
        }
    }
    Ok(Like { table, options })
}

fn option(cursor: &mut Cursor<'_>, at: Location) -> Result<(Feature, Strategy)> {
    let Some((_, strategy)) = STRATEGIES.into_iter().find(|(word, _)| cursor.eat(&[word])) else {
        return Err(cursor.expected("INCLUDING, EXCLUDING or OVERWRITING"));
    };
    let Some((name, feature)) = FEATURES.into_iter().find(|(word, _)| cursor.eat(&[word])) else {
        return Err(
            cursor.expected("ALL, CONSTRAINTS, GENERATED, METADATA, OPTIONS, PARTITIONS or WATERMARKS")
        );
    };
    let overwrites_whole = matches!(feature, Feature::All | Feature::Constraints | Feature::Partitions);
    if strategy == Strategy::Overwriting && overwrites_whole {
        return Err(error::invalid(
            at,
            format!("OVERWRITING {name} is not possible: INCLUDING and EXCLUDING are"),
        ));
    }
    Ok((feature, strategy))
}
