//! The clauses of JSON functions as plain arguments: `RETURNING INT`, `DEFAULT 0 ON EMPTY`, `WITH WRAPPER`.
//!
//! sqlparser does not read them. Each becomes a text of its own, a default being followed by its value.

use sqlparser::tokenizer::{Token, TokenWithSpan};

const FUNCTIONS: &[&str] = &["JSON_VALUE", "JSON_QUERY", "JSON_EXISTS"];

/// What clauses begin with.
const STARTS: &[&str] = &[
    "RETURNING",
    "NULL",
    "ERROR",
    "DEFAULT",
    "EMPTY",
    "WITH",
    "WITHOUT",
    "TRUE",
    "FALSE",
    "UNKNOWN",
];

/// The tokens with the clauses rewritten.
pub(super) fn as_arguments(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens
        .iter()
        .any(|t| word(&t.token).is_some_and(|w| FUNCTIONS.contains(&w.as_str())))
    {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // Per open parenthesis: the number of commas seen, if it holds the arguments of a JSON function.
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let before = out.last().map(|t| &t.token);
        match &token.token {
            Token::LParen => {
                let json = before
                    .and_then(word)
                    .is_some_and(|w| FUNCTIONS.contains(&w.as_str()));
                open.push(json.then_some(0));
            }
            Token::RParen => {
                open.pop();
            }
            Token::Comma => {
                if let Some(Some(commas)) = open.last_mut() {
                    *commas += 1;
                }
            }
            _ => {
                let begins = open.last() == Some(&Some(1))
                    && !matches!(before, Some(Token::Comma))
                    && word(&token.token).is_some_and(|w| STARTS.contains(&w.as_str()));
                if begins {
                    at = clause(&tokens, at, &mut out);
                    continue;
                }
            }
        }
        out.push(token.clone());
        at += 1;
    }
    out
}

/// Rewrites the clause that begins at a token; gives where the next one begins.
fn clause(tokens: &[TokenWithSpan], start: usize, out: &mut Vec<TokenWithSpan>) -> usize {
    let like = |token: Token| TokenWithSpan {
        token,
        span: tokens[start].span,
    };
    let mut words = Vec::new();
    let mut default = Vec::new();
    let mut at = start;
    let mut depth = 0_usize;
    let is_default = word(&tokens[start].token).as_deref() == Some("DEFAULT");
    while let Some(token) = tokens.get(at) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => break,
            Token::RParen => depth -= 1,
            _ => {}
        }
        let text = word(&token.token).unwrap_or_else(|| token.token.to_string());
        at += 1;
        let ended = match words.as_slice() {
            // A clause ends with WRAPPER or after ON EMPTY, ON ERROR; RETURNING before the next one.
            [.., last] if last == "ON" => true,
            _ => text == "WRAPPER",
        };
        if is_default && at > start + 1 && text != "ON" && !ended {
            default.push(token.clone());
            continue;
        }
        words.push(text);
        let next = tokens.get(at).and_then(|t| word(&t.token));
        let returned = words[0] == "RETURNING"
            && depth == 0
            && words.len() > 1
            && next.is_some_and(|w| STARTS.contains(&w.as_str()));
        if ended || returned {
            break;
        }
    }
    out.push(like(Token::Comma));
    out.push(like(Token::SingleQuotedString(words.join(" "))));
    if !default.is_empty() {
        out.push(like(Token::Comma));
        out.extend(default);
    }
    at
}

fn word(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_uppercase()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::tokens;

    fn check(sql: &str, expected: &str) {
        let tokens = as_arguments(tokens::tokenize(sql).expect("tokens"));
        let text: Vec<_> = tokens.iter().map(ToString::to_string).collect();
        assert_eq!(text.join(" "), expected, "{sql}");
    }

    #[test]
    fn clauses_become_arguments() {
        check("JSON_VALUE(a, '$.b')", "JSON_VALUE ( a , '$.b' )");
        check(
            "JSON_VALUE(a, '$.b' RETURNING INT DEFAULT 1 + 2 ON EMPTY ERROR ON ERROR)",
            "JSON_VALUE ( a , '$.b' , 'RETURNING INT' , 'DEFAULT ON EMPTY' , 1 + 2 , 'ERROR ON ERROR' )",
        );
        check(
            "JSON_QUERY(a, '$.b' WITH CONDITIONAL ARRAY WRAPPER EMPTY ARRAY ON EMPTY)",
            "JSON_QUERY ( a , '$.b' , 'WITH CONDITIONAL ARRAY WRAPPER' , 'EMPTY ARRAY ON EMPTY' )",
        );
        check("f(a, b) WITH x", "f ( a , b ) WITH x");
    }
}
