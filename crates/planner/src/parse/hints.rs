//! Hints: `/*+ STATE_TTL('o' = '1d') */` behind SELECT, `/*+ OPTIONS('path' = '/data') */` behind a table's name.
//!
//! sqlparser takes them for comments, so they are taken out of the tokens before, and found again by the place of what they
//! belong to: the SELECT, or the table's name.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace, Word};
use weir_model::{Location, Problem};

use super::tokens::{self, Cursor, Name};
use crate::{
    error::{self, Result},
    settings::parse_duration,
};

/// How long an operator of a query keeps what it has of an input.
pub(crate) const STATE_TTL: &str = "STATE_TTL";
/// How a query looks rows up.
pub(crate) const LOOKUP: &str = "LOOKUP";
/// Options of a table in place of those of its DDL.
const OPTIONS: &str = "OPTIONS";
/// How joins are done, where Flink runs a batch.
const BATCH_JOINS: &[&str] = &[
    "BROADCAST",
    "SHUFFLE_HASH",
    "SHUFFLE_MERGE",
    "NEST_LOOP",
    "MULTI_JOIN",
];
const OF_SELECT: &[&str] = &[
    STATE_TTL,
    LOOKUP,
    "BROADCAST",
    "SHUFFLE_HASH",
    "SHUFFLE_MERGE",
    "NEST_LOOP",
    "MULTI_JOIN",
];

/// One hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hint {
    /// Its name, in uppercase.
    pub name: Name,
    /// `'key' = 'value'`
    pub options: Vec<(Name, Name)>,
    /// Names alone.
    pub names: Vec<Name>,
}

/// Line and column.
type Place = (u64, u64);

/// The hints of a script by the place of what they belong to.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    /// By the place of the SELECT.
    selects: BTreeMap<Place, Vec<Hint>>,
    /// By the place of the table's name: its options.
    tables: BTreeMap<Place, Vec<(Name, Name)>>,
    /// Those that something was found for.
    used: Mutex<BTreeSet<Place>>,
}

impl Hints {
    /// Whether the script has none.
    pub(crate) fn is_empty(&self) -> bool {
        self.selects.is_empty() && self.tables.is_empty()
    }

    /// The hints of the SELECT at a place.
    pub(crate) fn of_select(&self, at: Location) -> &[Hint] {
        self.used(&self.selects, at)
    }

    /// The options that stand behind the table's name at a place.
    pub(crate) fn of_table(&self, at: Location) -> &[(Name, Name)] {
        self.used(&self.tables, at)
    }

    fn used<'a, T>(&self, all: &'a BTreeMap<Place, Vec<T>>, at: Location) -> &'a [T] {
        let place = (at.line, at.column);
        let found = all.get(&place).map_or(&[][..], Vec::as_slice);
        if !found.is_empty() {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.insert(place);
        }
        found
    }

    /// Refuses hints that belong to nothing.
    pub(crate) fn check_used(&self) -> Result<()> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = self.tables.iter().find(|(place, _)| !used.contains(place));
        match unused.and_then(|(_, options)| options.first()) {
            Some((key, _)) => Err(error::invalid(
                key.at,
                "OPTIONS stands behind the name of a table that is read or written, before its alias",
            )),
            None => Ok(()),
        }
    }

    fn add(&mut self, owner: &TokenWithSpan, hint: Hint) -> Result<()> {
        let place = (owner.span.start.line, owner.span.start.column);
        if is_select(&owner.token) {
            check_of_select(&hint)?;
            self.selects.entry(place).or_default().push(hint);
            return Ok(());
        }
        if OF_SELECT.contains(&hint.name.value.as_str()) {
            return Err(error::invalid(
                hint.name.at,
                format!("the hint {} stands behind SELECT", hint.name.value),
            ));
        }
        if hint.name.value != OPTIONS {
            return Err(error::unknown(
                hint.name.at,
                "hint of a table",
                &hint.name.value,
                [OPTIONS],
            ));
        }
        check_options(&hint)?;
        self.tables.entry(place).or_default().extend(hint.options);
        Ok(())
    }
}

/// The tokens without the hints among them, and those.
pub(crate) fn take(tokens: Vec<TokenWithSpan>) -> Result<(Vec<TokenWithSpan>, Hints)> {
    let mut hints = Hints::default();
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let Token::Whitespace(Whitespace::MultiLineComment(text)) = &token.token else {
            kept.push(token);
            continue;
        };
        let at = Location {
            line: token.span.start.line,
            column: token.span.start.column,
        };
        let owner = kept.last().filter(|owner| matches!(&owner.token, Token::Word(_)));
        let owner = owner.ok_or_else(|| misplaced(at))?;
        for hint in parse(text, at)? {
            hints.add(owner, hint)?;
        }
    }
    Ok((kept, hints))
}

/// Whether a comment is a hint.
pub(crate) fn is_hint(token: &Token) -> bool {
    matches!(token, Token::Whitespace(Whitespace::MultiLineComment(text)) if text.starts_with('+'))
}

fn misplaced(at: Location) -> Problem {
    error::syntax(
        at,
        "a hint stands behind SELECT or behind the name of a table; a comment does not begin with /*+",
    )
}

fn is_select(token: &Token) -> bool {
    matches!(token, Token::Word(Word { value, quote_style: None, .. }) if value.eq_ignore_ascii_case("SELECT"))
}

/// The hints in a comment that begins at a place.
fn parse(comment: &str, at: Location) -> Result<Vec<Hint>> {
    // Padded so that the tokens are where they are in the script: `/*` and the `+` are three characters.
    let (line, column) = (at.line.saturating_sub(1) as usize, at.column as usize + 2);
    let text = format!("{}{}{}", "\n".repeat(line), " ".repeat(column), &comment[1..]);
    let tokens = tokens::tokenize(&text)?;
    let mut cursor = Cursor::new(&tokens);
    let mut hints = Vec::new();
    if cursor.is_done() {
        return Err(error::syntax(at, "the hint is empty"));
    }
    loop {
        hints.push(hint(&mut cursor)?);
        if cursor.is_done() {
            return Ok(hints);
        }
        cursor.expect_token(&Token::Comma)?;
    }
}

fn hint(cursor: &mut Cursor<'_>) -> Result<Hint> {
    let name = cursor.name("the name of a hint")?;
    let mut hint = Hint {
        name: Name {
            value: name.value.to_uppercase(),
            at: name.at,
        },
        options: Vec::new(),
        names: Vec::new(),
    };
    if cursor.peek() != Some(&Token::LParen) {
        return Ok(hint);
    }
    cursor.list(|c| {
        let key = match c.peek() {
            Some(Token::SingleQuotedString(_)) => c.string("a name")?,
            _ => c.name("a name, or 'key' = 'value'")?,
        };
        if c.eat_token(&Token::Eq) {
            hint.options.push((key, c.string("a value in single quotes")?));
        } else {
            hint.names.push(key);
        }
        Ok(())
    })?;
    Ok(hint)
}

fn check_of_select(hint: &Hint) -> Result<()> {
    let name = hint.name.value.as_str();
    match name {
        STATE_TTL => {
            check_options(hint)?;
            let wrong = hint
                .options
                .iter()
                .find(|(_, ttl)| parse_duration(&ttl.value).is_none());
            wrong.map_or(Ok(()), |(_, ttl)| {
                Err(error::invalid(
                    ttl.at,
                    format!("'{}' is no duration such as '1 d' or '30 min'", ttl.value),
                ))
            })
        }
        LOOKUP => check_options(hint),
        OPTIONS => Err(error::invalid(
            hint.name.at,
            "OPTIONS stands behind the name of a table: FROM t /*+ OPTIONS('key' = 'value') */",
        )),
        _ if BATCH_JOINS.contains(&name) && !hint.names.is_empty() && hint.options.is_empty() => Ok(()),
        _ if BATCH_JOINS.contains(&name) => Err(error::syntax(
            hint.name.at,
            format!("the hint {name} takes names of tables: {name}(a, b)"),
        )),
        _ => Err(error::unknown(
            hint.name.at,
            "hint",
            name,
            OF_SELECT.iter().copied(),
        )),
    }
}

/// Refuses a hint that has something else than options, each once.
fn check_options(hint: &Hint) -> Result<()> {
    let name = &hint.name.value;
    if hint.options.is_empty() || !hint.names.is_empty() {
        return Err(error::syntax(
            hint.name.at,
            format!("the hint {name} takes options: {name}('key' = 'value')"),
        ));
    }
    for (i, (key, _)) in hint.options.iter().enumerate() {
        if hint.options[..i]
            .iter()
            .any(|(earlier, _)| earlier.value == key.value)
        {
            return Err(error::invalid(
                key.at,
                format!("'{}' is given twice in the hint {name}", key.value),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(sql: &str) -> Result<Hints> {
        take(tokens::tokenize(sql)?).map(|(_, hints)| hints)
    }

    fn at(line: u64, column: u64) -> Location {
        Location { line, column }
    }

    #[test]
    fn hints_are_found_by_what_they_belong_to() {
        let sql = "SELECT /*+ STATE_TTL('o' = '1 d'), BROADCAST(c) */ *\nFROM t /*+ OPTIONS('a' = '1',\n 'b' = '2') */ AS o";
        let hints = hints(sql).expect("hints");
        let of_select = hints.of_select(at(1, 1));
        assert_eq!(of_select.len(), 2);
        assert_eq!(of_select[0].options[0].1.at, at(1, 28));
        assert_eq!(of_select[1].names[0].value, "c");
        let of_table = hints.of_table(at(2, 6));
        assert_eq!(of_table[1].0.value, "b");
        assert_eq!(of_table[1].0.at, at(3, 2));
        assert!(hints.check_used().is_ok());
    }

    #[test]
    fn options_of_nothing_are_refused() {
        let hints = hints("SELECT a /*+ OPTIONS('a' = '1') */ FROM t").expect("hints");
        let problem = hints.check_used().expect_err("belongs to no table");
        assert_eq!(problem.location, Some(at(1, 22)));
    }

    #[test]
    fn hints_that_mean_nothing_are_refused_with_their_place() {
        let refused = |sql: &str| hints(sql).expect_err("refused").location;
        assert_eq!(
            refused("SELECT /*+ STATE_TTL('o' = 'soon') */ 1"),
            Some(at(1, 28))
        );
        assert_eq!(refused("SELECT /*+ FASTER */ 1"), Some(at(1, 12)));
        assert_eq!(refused("SELECT 1 + /*+ BROADCAST(a) */ 1"), Some(at(1, 12)));
        assert_eq!(refused("SELECT /*+ OPTIONS('a' = '1') */ 1"), Some(at(1, 12)));
        assert_eq!(
            refused("SELECT /*+ STATE_TTL('o' = '1 d', 'o' = '2 d') */ 1"),
            Some(at(1, 35))
        );
        assert!(hints("SELECT /* + STATE_TTL('o' = 'soon') */ 1").is_ok());
    }
}
