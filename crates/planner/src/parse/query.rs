//! Queries: read by sqlparser, after removing the one word of Flink's window functions that it does not take.

use sqlparser::{
    ast,
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Token, TokenWithSpan, Word},
};

use super::{
    group_window::{self, PARTITION},
    match_recognize, qualified, set_operation, supported, temporal,
    tokens::Cursor,
    unnest,
};
use crate::error::{self, Result};

/// The window functions that take a table.
pub(crate) const WINDOW_FUNCTIONS: &[&str] = &[
    "TUMBLE",
    "HOP",
    "CUMULATE",
    "SESSION",
    "COUNT_TUMBLE",
    "COUNT_HOP",
];

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
    let (tokens, inputs) = match_recognize::Inputs::take(match_recognize::rewrite(tokens)?)?;
    let mut inner = Cursor::new(&tokens);
    let mut query = inner.parse(Parser::parse_query)?;
    if !inner.is_done() {
        return Err(inner.expected("the end of the statement (;)"));
    }
    while !cursor.is_done() {
        cursor.skip();
    }
    inputs.put_back(&mut query);
    qualified::shorten(&mut query, at)?;
    unnest::as_joins(&mut query, at)?;
    group_window::rewrite(&mut query, at)?;
    temporal::rewrite(&mut query, at)?;
    unnest::fold(&mut query, at)?;
    set_operation::mark(&mut query)?;
    supported::check_query(&query, at, cursor.functions())?;
    Ok(query)
}

/// `TUMBLE(TABLE t, ...)` as `TUMBLE(t, ...)`, also behind `DATA =>`; `t PARTITION BY (k)` as `t, $PARTITION(k)`.
fn without_table_keyword(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // Per open parenthesis: whether it holds the arguments of a window function.
    let mut open: Vec<bool> = Vec::new();
    let mut rest = tokens;
    while let Some((token, behind)) = rest.split_first() {
        rest = behind;
        if open.last() == Some(&true)
            && word_in(&token.token, &["PARTITION"])
            && let Some((by, behind)) = rest.split_first()
            && word_in(&by.token, &["BY"])
        {
            rest = partition(token, behind, &mut kept);
            continue;
        }
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

/// Puts what follows `PARTITION BY`, a name or several in parentheses, into a call; returns what follows it.
fn partition<'a>(
    at: &TokenWithSpan,
    rest: &'a [TokenWithSpan],
    kept: &mut Vec<TokenWithSpan>,
) -> &'a [TokenWithSpan] {
    let mut put = |token| kept.push(TokenWithSpan { token, span: at.span });
    put(Token::Comma);
    put(Token::Word(Word {
        value: PARTITION.to_owned(),
        quote_style: None,
        keyword: Keyword::NoKeyword,
    }));
    let listed = matches!(rest.first().map(|t| &t.token), Some(Token::LParen));
    let count = if listed {
        let close = rest.iter().position(|t| t.token == Token::RParen);
        close.map_or(rest.len(), |close| close + 1)
    } else {
        rest.len().min(1)
    };
    let (names, rest) = rest.split_at(count);
    if !listed {
        put(Token::LParen);
    }
    kept.extend_from_slice(names);
    if !listed {
        kept.push(TokenWithSpan {
            token: Token::RParen,
            span: at.span,
        });
    }
    rest
}

/// Whether a token is one of these words, which are not quoted.
pub(super) fn word_in(token: &Token, words: &[&str]) -> bool {
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
