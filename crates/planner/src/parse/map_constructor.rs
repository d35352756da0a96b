//! `MAP[key, value, ...]` as a call: sqlparser takes it for a column with a place.

use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Word},
};

/// The function that makes a map of keys and values.
pub(super) const FUNCTION: &str = "$MAP";

/// The tokens with a call for each map.
pub(super) fn as_calls(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // Per open bracket, whether it is a map's.
    let mut open: Vec<bool> = Vec::new();
    for mut token in tokens {
        match &token.token {
            Token::LBracket => {
                let map = out.last_mut().filter(|before| is_map(&before.token));
                open.push(map.is_some());
                if let Some(map) = map {
                    map.token = Token::Word(Word {
                        value: FUNCTION.to_owned(),
                        quote_style: None,
                        keyword: Keyword::NoKeyword,
                    });
                    token.token = Token::LParen;
                }
            }
            Token::RBracket if open.pop() == Some(true) => token.token = Token::RParen,
            _ => {}
        }
        out.push(token);
    }
    out
}

fn is_map(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("MAP"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::tokens;

    #[test]
    fn maps_become_calls_and_places_stay() {
        let tokens =
            as_calls(tokens::tokenize("MAP['a', x[1], 'b', map[1, 2]]['a'] + `map`[1]").expect("tokens"));
        let text: Vec<_> = tokens.iter().map(ToString::to_string).collect();
        assert_eq!(
            text.join(" "),
            "$MAP ( 'a' , x [ 1 ] , 'b' , $MAP ( 1 , 2 ) ) [ 'a' ] + `map` [ 1 ]"
        );
    }
}
