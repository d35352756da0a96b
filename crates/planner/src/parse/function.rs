//! `CREATE FUNCTION name AS 'file.wasm' LANGUAGE WASM`.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::{Cursor, Name};
use crate::error::{self, Result};

/// `CREATE FUNCTION`
#[derive(Clone, Debug)]
pub(crate) struct CreateFunction {
    /// Its name.
    pub name: Name,
    /// A second definition of the name is ignored.
    pub if_not_exists: bool,
    /// The module's file.
    pub path: Name,
}

/// The statement behind `CREATE [TEMPORARY] FUNCTION`.
pub(crate) fn create_function(cursor: &mut Cursor<'_>) -> Result<CreateFunction> {
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let name = cursor.name("a function name")?;
    if cursor.peek() == Some(&Token::Period) {
        return Err(error::unsupported(
            name.at,
            "names with a catalog or a database are not supported: write the function's name alone",
        ));
    }
    cursor.expect(&["AS"])?;
    let path = cursor.string("the path of a WebAssembly module in single quotes")?;
    let at = cursor.at();
    if !cursor.eat(&["LANGUAGE"]) {
        return Err(error::unsupported(
            path.at,
            "functions of Java classes are not supported: write AS 'path/to/module.wasm' LANGUAGE WASM",
        ));
    }
    if !cursor.eat(&["WASM"]) {
        let language = cursor.name("WASM")?.value.to_uppercase();
        return Err(error::unsupported(
            at,
            format!("functions in the language {language} are not supported: LANGUAGE WASM is"),
        ));
    }
    Ok(CreateFunction {
        name,
        if_not_exists,
        path,
    })
}

/// The names of the functions that a script creates, wherever.
pub(crate) fn names(tokens: &[TokenWithSpan]) -> Vec<String> {
    let mut names = Vec::new();
    for part in tokens.split(|t| t.token == Token::SemiColon) {
        let mut cursor = Cursor::new(part);
        if !cursor.eat(&["CREATE"]) {
            continue;
        }
        cursor.eat(&["TEMPORARY"]);
        cursor.eat(&["SYSTEM"]);
        if cursor.eat(&["FUNCTION"]) {
            cursor.eat(&["IF", "NOT", "EXISTS"]);
            names.extend(cursor.name("a function name").map(|name| name.value));
        }
    }
    names
}
