//! Flink's lexical rules and a cursor over tokens that knows its place.

use sqlparser::{
    dialect::Dialect,
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan, Tokenizer, Word},
};
use weir_model::Location;

use crate::error::{self, Result};

/// Flink's SQL: identifiers are case-sensitive and quoted with backticks, strings with single quotes.
#[derive(Debug)]
pub(crate) struct FlinkDialect;

impl Dialect for FlinkDialect {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_' || ch == '$'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn require_interval_qualifier(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_match_recognize(&self) -> bool {
        true
    }
}

/// The tokens of a text, without white space and comments that are no hints.
pub(crate) fn tokenize(sql: &str) -> Result<Vec<TokenWithSpan>> {
    let tokens = Tokenizer::new(&FlinkDialect, sql)
        .tokenize_with_location()
        .map_err(|e| error::of_tokenizer(&e))?;
    Ok(tokens
        .into_iter()
        .filter(|t| !matches!(t.token, Token::Whitespace(_)) || super::hints::is_hint(&t.token))
        .collect())
}

/// The name of the one catalog.
pub(crate) const DEFAULT_CATALOG: &str = "default_catalog";
/// The name of the one database.
pub(crate) const DEFAULT_DATABASE: &str = "default_database";
/// What is said of other catalogs and databases.
pub(crate) const ONE_DATABASE: &str = "there is one catalog, default_catalog, with one database, default_database: write the table's name alone";

/// Whether what stands before a table's name says the one database.
pub(crate) fn is_default(before: &[&str]) -> bool {
    matches!(
        before,
        [] | [DEFAULT_DATABASE] | [DEFAULT_CATALOG, DEFAULT_DATABASE]
    )
}

/// A name or a text together with where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// What it says.
    pub value: String,
    /// Where it stands.
    pub at: Location,
}

/// Reads the tokens of one statement.
pub(crate) struct Cursor<'a> {
    tokens: &'a [TokenWithSpan],
    next: usize,
    /// The first half of a `>>` was taken.
    half: bool,
    /// The functions that the script creates.
    functions: &'a [String],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(tokens: &'a [TokenWithSpan]) -> Self {
        Self {
            tokens,
            next: 0,
            half: false,
            functions: &[],
        }
    }

    /// With the names of the functions that the script creates.
    pub(crate) fn with_functions(self, functions: &'a [String]) -> Self {
        Self { functions, ..self }
    }

    /// The names of the functions that the script creates.
    pub(crate) fn functions(&self) -> &'a [String] {
        self.functions
    }

    pub(crate) fn is_done(&self) -> bool {
        self.next >= self.tokens.len()
    }

    /// Where the next token stands; at the end, where the last one ends.
    pub(crate) fn at(&self) -> Location {
        match (self.tokens.get(self.next), self.tokens.last()) {
            (Some(token), _) => Location {
                line: token.span.start.line,
                column: token.span.start.column,
            },
            (None, Some(last)) => Location {
                line: last.span.end.line,
                column: last.span.end.column,
            },
            (None, None) => Location { line: 1, column: 1 },
        }
    }

    pub(crate) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.next).map(|t| &t.token)
    }

    pub(crate) fn rest(&self) -> &'a [TokenWithSpan] {
        self.tokens.get(self.next..).unwrap_or_default()
    }

    pub(crate) fn skip(&mut self) {
        self.next += 1;
    }

    /// The next token if it is an unquoted word.
    pub(crate) fn peek_word(&self, ahead: usize) -> Option<&'a Word> {
        match self.tokens.get(self.next + ahead).map(|t| &t.token) {
            Some(Token::Word(word)) if word.quote_style.is_none() => Some(word),
            _ => None,
        }
    }

    pub(crate) fn is_keyword(&self, keyword: &str) -> bool {
        self.peek_word(0)
            .is_some_and(|w| w.value.eq_ignore_ascii_case(keyword))
    }

    /// Takes these words if they come next.
    pub(crate) fn eat(&mut self, keywords: &[&str]) -> bool {
        let all = keywords.iter().enumerate().all(|(i, keyword)| {
            self.peek_word(i)
                .is_some_and(|w| w.value.eq_ignore_ascii_case(keyword))
        });
        if all {
            self.next += keywords.len();
        }
        all
    }

    pub(crate) fn expect(&mut self, keywords: &[&str]) -> Result<()> {
        if self.eat(keywords) {
            Ok(())
        } else {
            Err(self.expected(&keywords.join(" ")))
        }
    }

    pub(crate) fn eat_token(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    pub(crate) fn expect_token(&mut self, token: &Token) -> Result<()> {
        if self.eat_token(token) {
            Ok(())
        } else {
            Err(self.expected(&format!("'{token}'")))
        }
    }

    /// An error that says what should stand here and what does.
    pub(crate) fn expected(&self, what: &str) -> weir_model::Problem {
        let found = self
            .peek()
            .map_or_else(|| "the end of the statement".to_owned(), |t| format!("'{t}'"));
        error::syntax(self.at(), format!("expected {what}, found {found}"))
    }

    /// An identifier; words with a meaning in SQL are fine where nothing else can stand.
    pub(crate) fn name(&mut self, what: &str) -> Result<Name> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let name = Name {
                    value: word.value.clone(),
                    at: self.at(),
                };
                self.skip();
                Ok(name)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// A table's name, behind the names of the one catalog and the one database if those are said.
    pub(crate) fn table_name(&mut self) -> Result<Name> {
        let mut parts = vec![self.name("a table name")?];
        while self.eat_token(&Token::Period) {
            parts.push(self.name("a table name")?);
        }
        let before: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
        if !is_default(&before[..before.len() - 1]) {
            return Err(error::unsupported(parts[0].at, ONE_DATABASE));
        }
        parts.pop().ok_or_else(|| self.expected("a table name"))
    }

    /// A single-quoted string.
    pub(crate) fn string(&mut self, what: &str) -> Result<Name> {
        match self.peek() {
            Some(Token::SingleQuotedString(text)) => {
                let value = Name {
                    value: text.clone(),
                    at: self.at(),
                };
                self.skip();
                Ok(value)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// A `>` that closes a type; the tokenizer takes `>>` for one token.
    pub(crate) fn close_angle(&mut self) -> Result<()> {
        if self.peek() == Some(&Token::ShiftRight) {
            self.next += usize::from(self.half);
            self.half = !self.half;
            return Ok(());
        }
        self.expect_token(&Token::Gt)
    }

    /// A whole number.
    pub(crate) fn number(&mut self, what: &str) -> Result<u64> {
        let number = match self.peek() {
            Some(Token::Number(digits, _)) => digits.parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.expected(what))?;
        self.skip();
        Ok(number)
    }

    /// Items in parentheses, separated by commas; at least one.
    pub(crate) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect_token(&Token::LParen)?;
        let mut items = vec![item(self)?];
        while self.eat_token(&Token::Comma) {
            items.push(item(self)?);
        }
        self.expect_token(&Token::RParen)?;
        Ok(items)
    }

    /// The error at the token that it says it found; sqlparser may name the place of the next one.
    fn at_found_token(&self, problem: weir_model::Problem) -> weir_model::Problem {
        let (Some((_, found)), Some(at)) = (problem.detail.split_once("found: "), problem.location) else {
            return problem;
        };
        let start = |t: &TokenWithSpan| Location {
            line: t.span.start.line,
            column: t.span.start.column,
        };
        let Some(named) = self.tokens.iter().position(|t| start(t) == at) else {
            return problem;
        };
        let before = named.checked_sub(1).and_then(|before| self.tokens.get(before));
        match before {
            Some(before) if self.tokens[named].to_string() != found && before.to_string() == found => {
                let at = start(before);
                problem.at(at)
            }
            _ => problem,
        }
    }

    /// Lets sqlparser read what comes next.
    pub(crate) fn parse<T>(
        &mut self,
        read: impl FnOnce(&mut Parser<'static>) -> std::result::Result<T, ParserError>,
    ) -> Result<T> {
        let mut parser = Parser::new(&FlinkDialect).with_tokens_with_locations(self.rest().to_vec());
        let at = self.at();
        let end = self.tokens.last().map_or(at, |t| Location {
            line: t.span.end.line,
            column: t.span.end.column,
        });
        let result = read(&mut parser).map_err(|e| {
            let otherwise = if e.to_string().contains("EOF") { end } else { at };
            self.at_found_token(error::of_parser(&e, otherwise))
        })?;
        self.next += parser.index().min(self.rest().len());
        Ok(result)
    }
}
