//! Queries: read by sqlparser, after removing the one word of Flink's window functions that it does not take.

use sqlparser::{
    ast,
    parser::Parser,
    tokenizer::{Token, TokenWithSpan},
};

use super::{supported, tokens::Cursor};
use crate::error::{self, Result};

/// The window functions that take a table.
pub(crate) const WINDOW_FUNCTIONS: &[&str] = &["TUMBLE", "HOP", "CUMULATE", "SESSION"];

/// Operators in one query beyond which its tree would be too deep to walk.
const MAX_OPERATORS: usize = 2_000;

/// The query that the rest of the statement is.
pub(crate) fn query(cursor: &mut Cursor<'_>) -> Result<Box<ast::Query>> {
    let at = cursor.at();
    let tokens = without_table_keyword(cursor.rest());
    if tokens.iter().filter(|t| is_operator(&t.token)).count() > MAX_OPERATORS {
        return Err(error::unsupported(
            at,
            format!("a query has at most {MAX_OPERATORS} operators"),
        ));
    }
    let mut inner = Cursor::new(&tokens);
    let query = inner.parse(Parser::parse_query)?;
    if !inner.is_done() {
        return Err(inner.expected("the end of the statement (;)"));
    }
    while !cursor.is_done() {
        cursor.skip();
    }
    supported::check_query(&query, at)?;
    Ok(query)
}

/// `TUMBLE(TABLE t, ...)` as `TUMBLE(t, ...)`, also behind `DATA =>`.
fn without_table_keyword(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // Per open parenthesis: whether it holds the arguments of a window function.
    let mut open: Vec<bool> = Vec::new();
    for token in tokens {
        let before = kept.last().map(|t| &t.token);
        match &token.token {
            Token::LParen => open.push(before.is_some_and(|t| word_in(t, WINDOW_FUNCTIONS))),
            Token::RParen => {
                open.pop();
            }
            word if word_in(word, &["TABLE"])
                && open.last() == Some(&true)
                && matches!(before, Some(Token::LParen | Token::Comma | Token::RArrow)) =>
            {
                continue;
            }
            _ => {}
        }
        kept.push(token.clone());
    }
    kept
}

fn word_in(token: &Token, words: &[&str]) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && words.iter().any(|word| w.value.eq_ignore_ascii_case(word)))
}

fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(_) => word_in(
            token,
            &["AND", "OR", "NOT", "UNION", "IS", "CASE", "LIKE", "FROM", "JOIN"],
        ),
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Comma
        | Token::Period
        | Token::LParen
        | Token::RParen => false,
        _ => true,
    }
}
