//! MATCH_RECOGNIZE: what sqlparser does not read of it, as what it reads; and what cannot run, refused with its place.

use sqlparser::{
    keywords::Keyword,
    tokenizer::{Span, Token, TokenWithSpan, Word},
};
use weir_model::{Location, Problem};

use super::query::word_in;
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
        let before = at.checked_sub(1).map(|before| &tokens[before].token);
        let next = tokens.get(at + 1).map(|t| &t.token);
        let is = |token: Option<&Token>, words: &[&str]| token.is_some_and(|t| word_in(t, words));
        let here = open.last().copied();
        match &token.token {
            Token::LParen => {
                let opened = opened(&tokens[..at], here)?;
                open.push(opened);
            }
            Token::RParen => {
                open.pop();
            }
            _ if here == Some(Open::Pattern) => check_pattern(token, next)?,
            _ if here != Some(Open::Clauses) => {}
            word if word_in(word, &["WITHIN"]) && before == Some(&Token::RParen) => {
                is_within = true;
                let words = [
                    ("DEFINE", Keyword::DEFINE),
                    (WITHIN, Keyword::NoKeyword),
                    ("AS", Keyword::AS),
                ];
                kept.extend(words.map(|(text, keyword)| added(text, keyword, token.span)));
                continue;
            }
            word if word_in(word, &["DEFINE"]) && std::mem::take(&mut is_within) => {
                kept.push(TokenWithSpan {
                    token: Token::Comma,
                    span: token.span,
                });
                continue;
            }
            word if word_in(word, &["SUBSET"]) && before == Some(&Token::RParen) => {
                return Err(unsupported(
                    token,
                    "SUBSET is not supported, as in Flink: name the variables one by one",
                ));
            }
            word if word_in(word, &["ALL"]) && is(next, &["ROWS"]) => {
                return Err(unsupported(
                    token,
                    "ALL ROWS PER MATCH is not supported, as in Flink: ONE ROW PER MATCH is",
                ));
            }
            word if word_in(word, &["TO"])
                && is(before, &["SKIP"])
                && !is(next, &["NEXT", "FIRST", "LAST"]) =>
            {
                kept.push(token.clone());
                kept.push(added("LAST", Keyword::LAST, token.span));
                continue;
            }
            _ => {}
        }
        kept.push(token.clone());
    }
    Ok(kept)
}

/// What a parenthesis holds that follows these tokens.
fn opened(before: &[TokenWithSpan], here: Option<Open>) -> Result<Open> {
    Ok(match before {
        [.., input, word] if word_in(&word.token, &["MATCH_RECOGNIZE"]) => {
            if input.token == Token::RParen {
                return Err(unsupported(
                    word,
                    "MATCH_RECOGNIZE of a query in parentheses is not supported yet: give the query a name by WITH or CREATE VIEW",
                ));
            }
            Open::Clauses
        }
        [.., word] if here == Some(Open::Clauses) && word_in(&word.token, &["PATTERN"]) => Open::Pattern,
        _ if here == Some(Open::Pattern) => Open::Pattern,
        _ => Open::Other,
    })
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
