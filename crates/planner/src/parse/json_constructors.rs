//! `JSON_OBJECT`, `JSON_ARRAY`, `JSON` and the aggregates `JSON_OBJECTAGG`, `JSON_ARRAYAGG`: their syntax as plain arguments, and
//! their calls as calls of the functions that do the work.

use sqlparser::{
    ast::{DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName},
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Word},
};
use weir_model::Location;

use super::desugar::{all_arguments, cast, literal_text, named_call, text};
use crate::error::{self, Result};

/// The functions, and whether their arguments are keys and values.
const FUNCTIONS: &[(&str, bool)] = &[
    ("JSON_OBJECT", true),
    ("JSON_OBJECTAGG", true),
    ("JSON_ARRAY", false),
    ("JSON_ARRAYAGG", false),
];

/// The last argument that stands for `NULL ON NULL`; no SQL can write it.
const NULL_ON_NULL: &str = "$NULL ON NULL";
/// The same for `ABSENT ON NULL`.
const ABSENT_ON_NULL: &str = "$ABSENT ON NULL";

/// An open parenthesis that holds arguments of such a function.
#[derive(Clone, Copy)]
struct Open {
    has_keys: bool,
    /// Whether the VALUE of the current pair has been seen.
    in_value: bool,
}

/// The tokens with `[KEY] k VALUE v` as `k, v`, and what NULL does as a last argument.
pub(super) fn as_arguments(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| function(&t.token).is_some()) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut open: Vec<Option<Open>> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let before = out.last().map(|t| &t.token);
        let begins = matches!(before, Some(Token::LParen | Token::Comma));
        let next = |n: usize| tokens.get(at + n).map(|t| &t.token);
        match &token.token {
            Token::LParen => {
                let has_keys = before.and_then(function);
                open.push(has_keys.map(|has_keys| Open {
                    has_keys,
                    in_value: false,
                }));
            }
            Token::RParen => {
                open.pop();
            }
            Token::Comma => {
                if let Some(Some(open)) = open.last_mut() {
                    open.in_value = false;
                }
            }
            word => {
                let Some(Some(open)) = open.last_mut() else {
                    out.push(token.clone());
                    continue;
                };
                let clause = on_null(word).filter(|_| {
                    next(0).is_some_and(|t| is(t, "ON"))
                        && next(1).is_some_and(|t| is(t, "NULL"))
                        && next(2) == Some(&Token::RParen)
                });
                let like = |token| TokenWithSpan {
                    token,
                    span: tokens[at - 1].span,
                };
                if let Some(clause) = clause {
                    if before != Some(&Token::LParen) {
                        out.push(like(Token::Comma));
                    }
                    out.push(like(marker(clause)));
                    at += 2;
                    continue;
                }
                if open.has_keys && begins && is(word, "KEY") && is_operand(next(0)) {
                    continue;
                }
                if open.has_keys
                    && !open.in_value
                    && !begins
                    && before != Some(&Token::Period)
                    && is(word, "VALUE")
                {
                    open.in_value = true;
                    out.push(like(Token::Comma));
                    continue;
                }
            }
        }
        out.push(token.clone());
    }
    out
}

/// Whether the arguments of the function of this name are keys and values.
fn function(token: &Token) -> Option<bool> {
    FUNCTIONS
        .iter()
        .find(|(name, _)| is(token, name))
        .map(|(_, has_keys)| *has_keys)
}

fn is(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

fn on_null(token: &Token) -> Option<&'static str> {
    if is(token, "NULL") {
        Some(NULL_ON_NULL)
    } else {
        is(token, "ABSENT").then_some(ABSENT_ON_NULL)
    }
}

/// Whether a key follows, rather than something that is done with a column named key.
fn is_operand(token: Option<&Token>) -> bool {
    match token {
        Some(word @ Token::Word(_)) => !is(word, "VALUE"),
        Some(Token::SingleQuotedString(_) | Token::Number(..)) => true,
        _ => false,
    }
}

fn marker(clause: &str) -> Token {
    Token::Word(Word {
        value: clause.to_owned(),
        quote_style: None,
        keyword: Keyword::NoKeyword,
    })
}

/// A call of JSON_OBJECT, JSON_ARRAY or JSON in its plain form; those of the aggregates are changed where they stand.
pub(super) fn rewrite(function: &mut Function, name: &str, at: Location) -> Result<Option<Expr>> {
    let mut args = all_arguments(function, at)?;
    if name == "JSON" {
        let [json] = <[Expr; 1]>::try_from(args)
            .map_err(|_| error::type_error(at, "JSON takes one argument, a STRING"))?;
        return Ok(Some(named_call("$JSON_RAW", vec![json])));
    }
    let has_keys = name.starts_with("JSON_OBJECT");
    let keeps_nulls = match args.last().and_then(clause) {
        Some(keeps_nulls) => {
            args.pop();
            keeps_nulls
        }
        None => has_keys,
    };
    let items = if has_keys {
        entries(args, keeps_nulls, name == "JSON_OBJECT", at)?
    } else {
        args.into_iter().map(|arg| item(arg, keeps_nulls)).collect()
    };
    if name.ends_with("AGG") {
        let [item] = <[Expr; 1]>::try_from(items).map_err(|_| {
            let wanted = if has_keys {
                "KEY key VALUE value"
            } else {
                "one value"
            };
            error::type_error(at, format!("{name} takes {wanted}"))
        })?;
        aggregate(function, name, item);
        return Ok(None);
    }
    let (open, close) = if has_keys { ("{", "}") } else { ("[", "]") };
    let args = [text(open), text(close)].into_iter().chain(items);
    Ok(Some(named_call("$JSON_JOIN", args.collect())))
}

/// Makes the aggregate that of the function that does the work.
fn aggregate(function: &mut Function, name: &str, item: Expr) {
    function.name = ObjectName::from(vec![Ident::new(format!("${}", name.to_lowercase()))]);
    if let FunctionArguments::List(list) = &mut function.args {
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(item))];
    }
}

/// Whether a last argument says that nulls are kept, or left out.
fn clause(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::Identifier(name) if name.value == NULL_ON_NULL => Some(true),
        Expr::Identifier(name) if name.value == ABSENT_ON_NULL => Some(false),
        _ => None,
    }
}

fn entries(args: Vec<Expr>, keeps_nulls: bool, of_literals: bool, at: Location) -> Result<Vec<Expr>> {
    if !args.len().is_multiple_of(2) {
        return Err(error::type_error(
            at,
            "a JSON object is made of pairs: KEY 'key' VALUE value",
        ));
    }
    let mut entries = Vec::with_capacity(args.len() / 2);
    let mut args = args.into_iter();
    while let (Some(key), Some(value)) = (args.next(), args.next()) {
        if of_literals && literal_text(&key).is_none() {
            return Err(error::type_error(
                at,
                "the keys of JSON_OBJECT are texts in single quotes",
            ));
        }
        entries.push(named_call("$JSON_ENTRY", vec![key, item(value, keeps_nulls)]));
    }
    Ok(entries)
}

/// A value as JSON: what another of these functions made as it is.
fn item(value: Expr, keeps_nulls: bool) -> Expr {
    let is_json = match &value {
        Expr::Function(call) => ["$JSON_JOIN", "$JSON_RAW", "$json_arrayagg", "$json_objectagg"]
            .contains(&call.name.to_string().as_str()),
        _ => false,
    };
    let json = if is_json {
        value
    } else {
        named_call("JSON_STRING", vec![value])
    };
    if keeps_nulls {
        named_call("COALESCE", vec![json, cast(text("null"), DataType::String(None))])
    } else {
        json
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
    fn pairs_and_clauses_become_arguments() {
        check(
            "JSON_OBJECT(KEY 'a' VALUE b, 'c' VALUE f(d, e) ABSENT ON NULL)",
            "JSON_OBJECT ( 'a' , b , 'c' , f ( d , e ) , $ABSENT ON NULL )",
        );
        check(
            "JSON_ARRAY(NULL NULL ON NULL)",
            "JSON_ARRAY ( NULL , $NULL ON NULL )",
        );
        check("JSON_ARRAY(NULL ON NULL)", "JSON_ARRAY ( $NULL ON NULL )");
        check(
            "JSON_OBJECTAGG(key VALUE value) + f(key VALUE)",
            "JSON_OBJECTAGG ( key , value ) + f ( key VALUE )",
        );
        check(
            "JSON_OBJECTAGG(KEY key VALUE t.value)",
            "JSON_OBJECTAGG ( key , t . value )",
        );
        check("json_arrayagg(x)", "json_arrayagg ( x )");
    }
}
