//! MATCH_RECOGNIZE: what sqlparser does not read of it, as what it reads; and what cannot run, refused with its place.

use std::ops::ControlFlow;

use sqlparser::{
    ast::{Query, TableFactor, VisitMut, VisitorMut},
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Span, Token, TokenWithSpan, Word},
};
use weir_model::{Location, Problem};

use super::{query::word_in, tokens::Cursor};
use crate::error::{self, Result, place};

/// The name of the definition that carries the interval of WITHIN.
pub(crate) const WITHIN: &str = "$WITHIN";

const NOWHERE: Location = Location { line: 1, column: 1 };

/// What an open parenthesis holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// The clauses of MATCH_RECOGNIZE.
    Clauses,
    /// Its pattern, or a group in it.
    Pattern,
    Other,
}

/// `PATTERN (...) WITHIN interval DEFINE a AS ...` as `PATTERN (...) DEFINE $WITHIN AS interval, a AS ...`, and
/// `SKIP TO a` as `SKIP TO LAST a`.
pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    if !tokens.iter().any(|t| word_in(&t.token, &["MATCH_RECOGNIZE"])) {
        return Ok(tokens);
    }
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 4);
    let mut open: Vec<Open> = Vec::new();
    let mut is_within = false;
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).map(|t| &t.token);
        match (&token.token, open.last().copied()) {
            (Token::LParen, here) => open.push(opened(&tokens[..at], here)),
            (Token::RParen, _) => {
                open.pop();
            }
            (_, Some(Open::Pattern)) => check_pattern(token, next)?,
            (_, Some(Open::Clauses)) => {
                let before = at.checked_sub(1).map(|before| &tokens[before].token);
                check_clause(token, before, next)?;
                if let Some(instead) = clause(token, before, next, &mut is_within) {
                    kept.extend(instead);
                    continue;
                }
            }
            _ => {}
        }
        kept.push(token.clone());
    }
    Ok(kept)
}

fn is(token: Option<&Token>, words: &[&str]) -> bool {
    token.is_some_and(|t| word_in(t, words))
}

/// What sqlparser reads instead of a word between the clauses; none if that itself.
fn clause(
    token: &TokenWithSpan,
    before: Option<&Token>,
    next: Option<&Token>,
    is_within: &mut bool,
) -> Option<Vec<TokenWithSpan>> {
    let word = |text, keyword| added(text, keyword, token.span);
    if word_in(&token.token, &["WITHIN"]) && before == Some(&Token::RParen) {
        *is_within = true;
        return Some(vec![
            word("DEFINE", Keyword::DEFINE),
            word(WITHIN, Keyword::NoKeyword),
            word("AS", Keyword::AS),
        ]);
    }
    if word_in(&token.token, &["DEFINE"]) && std::mem::take(is_within) {
        return Some(vec![TokenWithSpan {
            token: Token::Comma,
            span: token.span,
        }]);
    }
    let skips_to = word_in(&token.token, &["TO"]) && is(before, &["SKIP"]);
    (skips_to && !is(next, &["NEXT", "FIRST", "LAST"]))
        .then(|| vec![token.clone(), word("LAST", Keyword::LAST)])
}

/// Refuses clauses that Flink refuses, too.
fn check_clause(token: &TokenWithSpan, before: Option<&Token>, next: Option<&Token>) -> Result<()> {
    if word_in(&token.token, &["SUBSET"]) && before == Some(&Token::RParen) {
        return Err(unsupported(
            token,
            "SUBSET is not supported, as in Flink: name the variables one by one",
        ));
    }
    if word_in(&token.token, &["ALL"]) && is(next, &["ROWS"]) {
        return Err(unsupported(
            token,
            "ALL ROWS PER MATCH is not supported, as in Flink: ONE ROW PER MATCH is",
        ));
    }
    Ok(())
}

/// What a parenthesis holds that follows these tokens.
fn opened(before: &[TokenWithSpan], here: Option<Open>) -> Open {
    match before {
        [.., word] if word_in(&word.token, &["MATCH_RECOGNIZE"]) => Open::Clauses,
        [.., word] if here == Some(Open::Clauses) && word_in(&word.token, &["PATTERN"]) => Open::Pattern,
        _ if here == Some(Open::Pattern) => Open::Pattern,
        _ => Open::Other,
    }
}

/// Queries in parentheses whose rows MATCH_RECOGNIZE reads, which sqlparser takes of a named table alone.
pub(super) struct Inputs(Vec<Query>);

/// What the name of a table begins with that stands for such a query.
const INPUT: &str = "$MATCHED";

impl Inputs {
    /// Takes the queries out of the tokens, a name in the place of each.
    pub(super) fn take(tokens: Vec<TokenWithSpan>) -> Result<(Vec<TokenWithSpan>, Self)> {
        let mut inputs = Self(Vec::new());
        let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
        for token in tokens {
            if word_in(&token.token, &["MATCH_RECOGNIZE"])
                && kept.last().is_some_and(|t| t.token == Token::RParen)
                && let Some(from) = opening(&kept)
            {
                let span = kept[from].span;
                let is_call = from > 0 && is_name(&kept[from - 1]);
                if is_call {
                    return Err(unsupported(
                        &token,
                        "MATCH_RECOGNIZE reads a table, a view or a query in parentheses: SELECT from the function in one",
                    ));
                }
                let query = inputs.query(&kept[from + 1..kept.len() - 1])?;
                kept.truncate(from);
                let name = format!("{INPUT}{}", inputs.0.len());
                kept.push(added(&name, Keyword::NoKeyword, span));
                inputs.0.push(query);
            }
            kept.push(token);
        }
        Ok((kept, inputs))
    }

    fn query(&self, tokens: &[TokenWithSpan]) -> Result<Query> {
        let mut cursor = Cursor::new(tokens);
        let mut query = cursor.parse(Parser::parse_query)?;
        if !cursor.is_done() {
            return Err(cursor.expected("the end of the query in parentheses"));
        }
        self.put_back(&mut query);
        Ok(*query)
    }

    /// Puts the queries where their names stand.
    pub(super) fn put_back(&self, query: &mut Query) {
        if !self.0.is_empty() {
            let _ = query.visit(&mut PutBack(self));
        }
    }
}

struct PutBack<'a>(&'a Inputs);

impl VisitorMut for PutBack<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, .. } = factor
            && let Some(number) = name.to_string().strip_prefix(INPUT)
            && let Some(query) = number.parse().ok().and_then(|number: usize| self.0.0.get(number))
        {
            *factor = TableFactor::Derived {
                lateral: false,
                subquery: Box::new(query.clone()),
                alias: alias.take(),
                sample: None,
            };
        }
        ControlFlow::Continue(())
    }
}

/// Where the parenthesis opens that the last of these tokens closes.
fn opening(tokens: &[TokenWithSpan]) -> Option<usize> {
    let mut depth = 0_usize;
    tokens.iter().rposition(|t| {
        match t.token {
            Token::RParen => depth += 1,
            Token::LParen => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

/// Whether a parenthesis behind it would be a call's.
fn is_name(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Word(_)) && !word_in(&token.token, &["FROM", "JOIN", "LATERAL", "AS"])
}

/// Refuses what a pattern may say but cannot run, in Flink neither.
fn check_pattern(token: &TokenWithSpan, next: Option<&Token>) -> Result<()> {
    let refused = match &token.token {
        Token::Pipe | Token::StringConcat => {
            "alternatives (A | B) are not supported in a pattern, as in Flink: write a variable whose condition has OR"
        }
        Token::Caret => "^ is not supported in a pattern, as in Flink: a stream has no beginning",
        Token::Placeholder(mark) if mark == "$" => END,
        word if word_in(word, &["$"]) => END,
        Token::LBrace if next == Some(&Token::Minus) => {
            "exclusions {- A -} are not supported in a pattern, as in Flink: leave the variable out of the measures"
        }
        word if word_in(word, &["PERMUTE"]) && next == Some(&Token::LParen) => {
            "PERMUTE is not supported in a pattern, as in Flink: write one MATCH_RECOGNIZE per order, and UNION ALL"
        }
        _ => return Ok(()),
    };
    Err(unsupported(token, refused))
}

const END: &str = "$ is not supported in a pattern, as in Flink: a stream has no end";

fn added(text: &str, keyword: Keyword, span: Span) -> TokenWithSpan {
    let token = Token::Word(Word {
        value: text.to_owned(),
        quote_style: None,
        keyword,
    });
    TokenWithSpan { token, span }
}

fn unsupported(token: &TokenWithSpan, detail: &str) -> Problem {
    error::unsupported(place(token.span, NOWHERE), detail)
}
