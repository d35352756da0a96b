//! Tokens of Flink SQL, for highlighting and for marking an error.
//!
//! The server alone decides what is valid; this tokenizer accepts any text and loses none of it.

use std::{collections::BTreeSet, fmt::Write, ops::Range, sync::LazyLock};

use weir_model::Location;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A reserved word: `SELECT`.
    Keyword,
    /// A type's name: `BIGINT`.
    Type,
    /// A name that is called: `COUNT(`.
    Function,
    /// A name, quoted or not.
    Name,
    /// A string literal, with its quotes.
    Text,
    /// A number literal.
    Number,
    /// A comment, with its marks.
    Comment,
    /// An operator or a bracket, one character.
    Symbol,
    /// Spaces, tabs and line ends.
    Space,
}

impl TokenKind {
    /// The class of its `<span>`; none for what has no colour of its own.
    fn css_class(self) -> Option<&'static str> {
        match self {
            Self::Keyword => Some("sql-keyword"),
            Self::Type => Some("sql-type"),
            Self::Function => Some("sql-function"),
            Self::Text => Some("sql-text"),
            Self::Number => Some("sql-number"),
            Self::Comment => Some("sql-comment"),
            Self::Name | Self::Symbol | Self::Space => None,
        }
    }
}

/// A piece of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it is, in bytes.
    pub range: Range<usize>,
}

static KEYWORDS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    "ADD ALL ALTER AND AS ASC BEGIN BETWEEN BY CASE CAST COLUMNS COMMENT CREATE CROSS CUMULATE CURRENT \
     DESC DESCRIBE DESCRIPTOR DISTINCT DROP ELSE END ENFORCED ESCAPE EXCEPT EXECUTE EXISTS EXPLAIN FALSE \
     FILTER FIRST FOLLOWING FOR FROM FULL FUNCTION GROUP GROUPING HAVING HOP IF IN INNER INSERT INTERSECT \
     INTERVAL INTO IS JOIN KEY LAST LATERAL LEFT LIKE LIMIT MATCH_RECOGNIZE METADATA NATURAL NOT NULL \
     NULLS OF OFFSET ON OR ORDER OUTER OVER OVERWRITE PARTITION PARTITIONED PRECEDING PRIMARY RANGE \
     REPLACE RESET RIGHT ROWS SELECT SESSION SET SETS SHOW SIZE SLIDE STATEMENT SYSTEM_TIME TABLE \
     TEMPORARY THEN TO TRUE TUMBLE UNBOUNDED UNION UNNEST USING VALUES VIEW VIRTUAL WATERMARK WHEN WHERE \
     WINDOW WITH WITHIN"
        .split(' ')
        .collect()
});

/// A unit of time reads like a type: it follows a literal as a type follows a column.
static TYPES: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    "ARRAY BIGINT BINARY BOOLEAN BYTES CHAR DATE DAY DEC DECIMAL DOUBLE FLOAT HOUR INT INTEGER MAP MINUTE \
     MONTH MULTISET NUMERIC RAW REAL ROW SECOND SMALLINT STRING TIME TIMESTAMP TIMESTAMP_LTZ TINYINT \
     VARBINARY VARCHAR YEAR"
        .split(' ')
        .collect()
});

/// All tokens of a text, in order and without gaps.
pub fn tokenize(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while start < sql.len() {
        let (kind, length) = next_token(&sql[start..]);
        tokens.push(Token {
            kind,
            range: start..start + length,
        });
        start += length;
    }
    tokens
}

/// The text as HTML: a `<span>` per coloured token and, if a place is marked, another around it.
///
/// Ends with a line end, so that a last empty line has a height.
pub fn to_html(sql: &str, mark: Option<Location>) -> String {
    let marked = mark.map(|location| token_at(sql, location));
    let mut html = String::with_capacity(sql.len() * 3);
    for token in tokenize(sql) {
        let is_marked = marked
            .as_ref()
            .is_some_and(|m| !m.is_empty() && m.start == token.range.start);
        if is_marked {
            html.push_str("<span class=\"sql-error\">");
        }
        push_token(&mut html, token.kind, &sql[token.range]);
        if is_marked {
            html.push_str("</span>");
        }
    }
    if marked.is_some_and(|m| m.is_empty()) {
        html.push_str("<span class=\"sql-error\"> </span>");
    }
    html.push('\n');
    html
}

/// The bytes of the token at a place; at a space: of the next token that isn't one; past the end: empty, at the end.
pub fn token_at(sql: &str, location: Location) -> Range<usize> {
    let offset = offset_of(sql, location);
    tokenize(sql)
        .into_iter()
        .find(|t| t.range.end > offset && t.kind != TokenKind::Space)
        .map_or(sql.len()..sql.len(), |t| t.range)
}

/// The place in bytes of a line and column, each no further than there is text.
pub fn offset_of(sql: &str, location: Location) -> usize {
    let mut start = 0;
    for _ in 1..location.line {
        match sql[start..].find('\n') {
            Some(end) => start += end + 1,
            None => return sql.len(),
        }
    }
    let line = sql[start..].split('\n').next().unwrap_or_default();
    let chars = location.column.saturating_sub(1) as usize;
    start + line.char_indices().nth(chars).map_or(line.len(), |(at, _)| at)
}

fn next_token(rest: &str) -> (TokenKind, usize) {
    let first = rest
        .chars()
        .next()
        .expect("the caller stops at the end of the text");
    match first {
        c if c.is_whitespace() => (TokenKind::Space, run(rest, char::is_whitespace)),
        '-' if rest.starts_with("--") => (TokenKind::Comment, rest.find('\n').unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => (
            TokenKind::Comment,
            rest[2..].find("*/").map_or(rest.len(), |end| end + 4),
        ),
        '\'' => (TokenKind::Text, quoted(rest, '\'')),
        '`' | '"' => (TokenKind::Name, quoted(rest, first)),
        c if c.is_ascii_digit() => (TokenKind::Number, number(rest)),
        c if c.is_alphabetic() || c == '_' => word(rest),
        c => (TokenKind::Symbol, c.len_utf8()),
    }
}

fn run(rest: &str, belongs: impl Fn(char) -> bool) -> usize {
    rest.find(|c| !belongs(c)).unwrap_or(rest.len())
}

/// To the closing quote; a doubled one doesn't close. An open literal ends with its line, so that a quote being
/// typed does not turn the rest of the script over.
fn quoted(rest: &str, quote: char) -> usize {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\n' {
            return at;
        }
        if c == quote {
            match chars.peek() {
                Some((_, next)) if *next == quote => chars.next(),
                _ => return at + 1,
            };
        }
    }
    rest.len()
}

fn number(rest: &str) -> usize {
    let mut length = run(rest, |c| c.is_ascii_digit());
    if let Some(fraction) = rest[length..].strip_prefix('.') {
        length += 1 + run(fraction, |c| c.is_ascii_digit());
    }
    if let Some(exponent) = rest[length..].strip_prefix(['e', 'E']) {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let digit_count = run(digits, |c| c.is_ascii_digit());
        if digit_count > 0 {
            length += 1 + (exponent.len() - digits.len()) + digit_count;
        }
    }
    length
}

fn word(rest: &str) -> (TokenKind, usize) {
    let length = run(rest, |c| c.is_alphanumeric() || c == '_' || c == '$');
    let upper = rest[..length].to_ascii_uppercase();
    let is_called = rest[length..].starts_with('(');
    let kind = if KEYWORDS.contains(upper.as_str()) {
        TokenKind::Keyword
    } else if TYPES.contains(upper.as_str()) {
        TokenKind::Type
    } else if is_called {
        TokenKind::Function
    } else {
        TokenKind::Name
    };
    (kind, length)
}

fn push_token(html: &mut String, kind: TokenKind, text: &str) {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    match kind.css_class() {
        Some(class) => {
            let _ = write!(html, "<span class=\"{class}\">{escaped}</span>");
        }
        None => html.push_str(&escaped),
    }
}

#[cfg(test)]
mod tests {
    use TokenKind::{Comment, Function, Keyword, Name, Number, Symbol, Text, Type};

    use super::*;

    fn check(sql: &str, expected: &[(TokenKind, &str)]) {
        let tokens: Vec<_> = tokenize(sql)
            .into_iter()
            .filter(|t| t.kind != TokenKind::Space)
            .map(|t| (t.kind, &sql[t.range]))
            .collect();
        assert_eq!(tokens, expected, "tokens of {sql:?}");
    }

    fn at(line: u64, column: u64) -> Location {
        Location { line, column }
    }

    #[test]
    fn no_word_is_both_a_keyword_and_a_type() {
        assert!(
            KEYWORDS.contains("UNNEST") && TYPES.contains("YEAR"),
            "the lists are read to their ends"
        );
        assert_eq!(KEYWORDS.intersection(&TYPES).count(), 0);
    }

    #[test]
    fn words_are_told_apart_whatever_their_case() {
        check(
            "select `when` from t",
            &[
                (Keyword, "select"),
                (Name, "`when`"),
                (Keyword, "from"),
                (Name, "t"),
            ],
        );
        check(
            "ts TIMESTAMP(3)",
            &[
                (Name, "ts"),
                (Type, "TIMESTAMP"),
                (Symbol, "("),
                (Number, "3"),
                (Symbol, ")"),
            ],
        );
        check(
            "count(*)",
            &[(Function, "count"), (Symbol, "("), (Symbol, "*"), (Symbol, ")")],
        );
    }

    #[test]
    fn literals_end_at_their_quote_or_line() {
        check("'it''s', 'b'", &[(Text, "'it''s'"), (Symbol, ","), (Text, "'b'")]);
        check("'open\nSELECT", &[(Text, "'open"), (Keyword, "SELECT")]);
        check("'open", &[(Text, "'open")]);
    }

    #[test]
    fn numbers_take_fraction_and_exponent() {
        check(
            "1 2.5 3e10 4.0E-2 5e",
            &[
                (Number, "1"),
                (Number, "2.5"),
                (Number, "3e10"),
                (Number, "4.0E-2"),
                (Number, "5"),
                (Name, "e"),
            ],
        );
    }

    #[test]
    fn comments_run_to_their_end() {
        check("a -- b 'c\nd", &[(Name, "a"), (Comment, "-- b 'c"), (Name, "d")]);
        check(
            "/*+ hint */ x /* open",
            &[(Comment, "/*+ hint */"), (Name, "x"), (Comment, "/* open")],
        );
    }

    #[test]
    fn no_text_is_lost() {
        let texts = [
            "",
            "\n",
            "SELECT ü FROM \"größe\" -- ende",
            "'",
            "``",
            "💧 e5 $x",
            "/*",
            "1.",
            "a.b\t<>\r\nc",
        ];
        for sql in texts {
            let joined: String = tokenize(sql).into_iter().map(|t| &sql[t.range]).collect();
            assert_eq!(joined, sql);
        }
    }

    #[test]
    fn places_count_characters() {
        let sql = "SELECT größe,\n  x FROM t";
        assert_eq!(&sql[token_at(sql, at(1, 8))], "größe");
        assert_eq!(&sql[token_at(sql, at(1, 13))], ",");
        assert_eq!(&sql[token_at(sql, at(2, 3))], "x");
        assert_eq!(
            &sql[token_at(sql, at(2, 1))],
            "x",
            "a space stands for the token after it"
        );
        assert_eq!(token_at(sql, at(2, 99)), sql.len()..sql.len());
        assert_eq!(token_at(sql, at(9, 1)), sql.len()..sql.len());
    }

    #[test]
    fn html_is_escaped_and_marked() {
        assert_eq!(
            to_html("SELECT a<b", Some(at(1, 8))),
            "<span class=\"sql-keyword\">SELECT</span> <span class=\"sql-error\">a</span>&lt;b\n"
        );
        assert_eq!(
            to_html("x", Some(at(1, 2))),
            "x<span class=\"sql-error\"> </span>\n"
        );
        assert_eq!(to_html("'&'", None), "<span class=\"sql-text\">'&amp;'</span>\n");
    }
}
