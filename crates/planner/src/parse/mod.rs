//! A script's text as statements: a thin parser of ours on sqlparser's tokens, for what sqlparser does not know of Flink's dialect.
//!
//! - [`tokens`]: lexical rules and a cursor that knows its place.
//! - [`hints`]: `/*+ ... */`, found again by the place of what they belong to. Leans on `tokens`.
//! - [`types`]: data types. Leans on `tokens`.
//! - [`ddl`]: `CREATE TABLE`, `CREATE VIEW`. Leans on `types` and `query`.
//! - [`like`]: `LIKE`. Leans on `tokens`.
//! - [`function`]: `CREATE FUNCTION`. Leans on `tokens`.
//! - [`match_recognize`]: patterns, as sqlparser reads them. Leans on nothing.
//! - [`query`]: queries, read by sqlparser after small changes to the tokens. Leans on `tokens` and `match_recognize`.
//! - [`desugar`]: names of columns, types of numbers, calls in their plain form. Leans on `calls`.
//! - [`calls`], [`json_calls`]: calls and operators with a syntax of their own as plain calls. Lean on nothing.
//! - [`map_constructor`]: maps of values as plain calls. Leans on nothing.
//! - [`json_constructors`]: functions that make JSON as plain calls. Leans on nothing.
//! - [`json_clauses`]: the clauses of JSON functions as plain arguments. Leans on nothing.
//! - [`unnest`]: UNNEST as a table of its own. Leans on nothing.
//! - [`set_operation`]: marks INTERSECT ALL and EXCEPT ALL. Leans on nothing.
//! - [`temporal`]: `FOR SYSTEM_TIME AS OF` as a condition of its join. Leans on nothing.
//! - `qualified`: names behind the one catalog. Leans on `tokens`.
//! - [`supported`], [`over`]: refuse what a query may say but Weir does not run yet. Lean on nothing.

mod calls;
pub(crate) mod ddl;
pub(crate) mod desugar;
pub(crate) mod function;
pub(crate) mod group_window;
pub(crate) mod hints;
mod json_calls;
mod json_clauses;
mod json_constructors;
pub(crate) mod like;
mod map_constructor;
pub(crate) mod match_recognize;
mod over;
mod qualified;
pub(crate) mod query;
pub(crate) mod set_operation;
pub(crate) mod supported;
pub(crate) mod temporal;
pub(crate) mod tokens;
pub(crate) mod types;
pub(crate) mod unnest;

use sqlparser::{
    ast,
    tokenizer::{Token, TokenWithSpan},
};
use weir_model::Location;

use self::{
    ddl::{CreateTable, CreateView, Rows},
    function::CreateFunction,
    hints::Hints,
    tokens::{Cursor, DEFAULT_CATALOG, DEFAULT_DATABASE, Name, ONE_DATABASE},
};
use crate::error::{self, Result};

/// The longest script, in bytes.
const MAX_SCRIPT_BYTES: usize = 1 << 20;

/// One statement of a script.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    /// `SET 'key' = 'value'`
    Set {
        /// The setting.
        key: Name,
        /// Its value.
        value: Name,
    },
    /// `RESET ['key']`
    Reset {
        /// The setting; none: all.
        key: Option<Name>,
    },
    /// `DROP TABLE` or `DROP VIEW`
    Drop(Drop),
    /// `USE` of the one catalog or database that there is.
    Use,
    /// `CREATE TABLE`
    CreateTable(Box<CreateTable>),
    /// `CREATE VIEW`
    CreateView(CreateView),
    /// `CREATE FUNCTION`
    CreateFunction(CreateFunction),
    /// `INSERT INTO`
    Insert(Insert),
    /// A query alone, whose rows are printed.
    Query(Rows),
}

/// `DROP TABLE` or `DROP VIEW`
#[derive(Clone, Debug)]
pub(crate) struct Drop {
    /// What is dropped.
    pub name: Name,
    /// Whether it is a view.
    pub is_view: bool,
    /// Whether it may be missing.
    pub if_exists: bool,
}

/// `INSERT INTO table [PARTITION (...)] [(columns)] query`
#[derive(Clone, Debug)]
pub(crate) struct Insert {
    /// The sink.
    pub table: Name,
    /// The columns to fill, in this order; all of the table's if none are named.
    pub columns: Vec<Name>,
    /// The columns of `PARTITION` that are the same for all rows, and their values.
    pub partition: Vec<(Name, ast::Expr)>,
    /// The rows.
    pub query: Box<ast::Query>,
    /// Where the query begins.
    pub at: Location,
}

/// All statements of a script, in order, and its hints. A statement set is the list of its INSERTs.
pub(crate) fn script(sql: &str) -> Result<(Vec<Statement>, Hints)> {
    if sql.len() > MAX_SCRIPT_BYTES {
        return Err(error::invalid(
            Location { line: 1, column: 1 },
            format!("the script is longer than {MAX_SCRIPT_BYTES} bytes"),
        ));
    }
    let (tokens, hints) = hints::take(tokens::tokenize(sql)?)?;
    let tokens = json_constructors::as_arguments(map_constructor::as_calls(tokens));
    let tokens = json_clauses::as_arguments(tokens);
    let functions = function::names(&tokens);
    let mut statements = Vec::new();
    let mut open_set: Option<Location> = None;
    for part in tokens
        .split(|t| t.token == Token::SemiColon)
        .filter(|part| !part.is_empty())
    {
        let mut cursor = Cursor::new(part).with_functions(&functions);
        let at = cursor.at();
        if cursor.eat(&["EXECUTE", "STATEMENT", "SET", "BEGIN"]) || cursor.eat(&["BEGIN", "STATEMENT", "SET"])
        {
            if open_set.replace(at).is_some() {
                return Err(error::syntax(at, "a statement set cannot hold another one"));
            }
        } else if cursor.is_keyword("END") {
            cursor.skip();
            if open_set.take().is_none() {
                return Err(error::syntax(
                    at,
                    "there is no statement set that END could close",
                ));
            }
            expect_end(&cursor)?;
        }
        if cursor.is_done() {
            continue;
        }
        let at = cursor.at();
        let statement = statement(&mut cursor)?;
        if open_set.is_some() && !matches!(statement, Statement::Insert(_)) {
            return Err(error::invalid(
                at,
                "a statement set holds only INSERT INTO statements",
            ));
        }
        expect_end(&cursor)?;
        statements.push(statement);
    }
    match open_set {
        Some(at) => Err(error::syntax(
            at,
            "the statement set is not closed: write END; after its last INSERT",
        )),
        None => Ok((statements, hints)),
    }
}

fn expect_end(cursor: &Cursor<'_>) -> Result<()> {
    if cursor.is_done() {
        Ok(())
    } else {
        Err(cursor.expected("the end of the statement (;)"))
    }
}

fn statement(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let at = cursor.at();
    let Some(first) = cursor.peek_word(0).map(|w| w.value.to_uppercase()) else {
        return Err(cursor.expected("a statement"));
    };
    match first.as_str() {
        "SET" => set(cursor),
        "RESET" => reset(cursor),
        "DROP" => drop_relation(cursor),
        "USE" => use_default(cursor),
        "CREATE" => ddl::create(cursor),
        "INSERT" => insert(cursor).map(Statement::Insert),
        "EXECUTE" => {
            cursor.skip();
            if cursor.is_keyword("INSERT") {
                return insert(cursor).map(Statement::Insert);
            }
            Err(cursor.expected("INSERT or STATEMENT SET BEGIN"))
        }
        "SELECT" | "WITH" | "VALUES" => {
            let query = query::query(cursor)?;
            Ok(Statement::Query(Rows { query, at }))
        }
        "ALTER" | "SHOW" | "DESCRIBE" | "DESC" | "EXPLAIN" | "ADD" | "REMOVE" | "UPDATE" | "DELETE"
        | "ANALYZE" | "TRUNCATE" | "CALL" | "LOAD" | "UNLOAD" | "COMPILE" => Err(error::unsupported(
            at,
            format!(
                "{first} is not supported: a script holds CREATE and DROP of tables and views, SET, INSERT INTO and statement sets"
            ),
        )),
        _ => Err(cursor.expected("CREATE, INSERT INTO, SET or EXECUTE STATEMENT SET")),
    }
}

fn set(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.skip();
    let key = cursor.string("a setting in single quotes, as in SET 'pipeline.name' = 'my job'")?;
    cursor.expect_token(&Token::Eq)?;
    let value = cursor.string("a value in single quotes")?;
    Ok(Statement::Set { key, value })
}

fn reset(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.skip();
    let key = if cursor.is_done() {
        None
    } else {
        Some(cursor.string("a setting in single quotes, as in RESET 'pipeline.name'")?)
    };
    Ok(Statement::Reset { key })
}

fn drop_relation(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.skip();
    cursor.eat(&["TEMPORARY"]);
    let at = cursor.at();
    let is_view = cursor.eat(&["VIEW"]);
    if !is_view && !cursor.eat(&["TABLE"]) {
        return Err(error::unsupported(at, "DROP takes a TABLE or a VIEW"));
    }
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    Ok(Statement::Drop(Drop {
        name: cursor.table_name()?,
        is_view,
        if_exists,
    }))
}

fn use_default(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.skip();
    let known = if cursor.eat(&["CATALOG"]) {
        DEFAULT_CATALOG
    } else {
        DEFAULT_DATABASE
    };
    let mut name = cursor.name("the name of a catalog or a database")?;
    if cursor.eat_token(&Token::Period) && name.value == DEFAULT_CATALOG {
        name = cursor.name("the name of a database")?;
    }
    if name.value == known {
        Ok(Statement::Use)
    } else {
        Err(error::unsupported(name.at, ONE_DATABASE))
    }
}

fn insert(cursor: &mut Cursor<'_>) -> Result<Insert> {
    cursor.skip();
    if cursor.is_keyword("OVERWRITE") {
        return Err(error::unsupported(
            cursor.at(),
            "INSERT OVERWRITE is not supported: use INSERT INTO",
        ));
    }
    cursor.expect(&["INTO"])?;
    let table = cursor.table_name()?;
    let partition = if cursor.eat(&["PARTITION"]) {
        cursor.list(partition)?.into_iter().flatten().collect()
    } else {
        Vec::new()
    };
    let columns = if names_columns(cursor.rest()) {
        cursor.list(|c| c.name("a column name"))?
    } else {
        Vec::new()
    };
    let at = cursor.at();
    Ok(Insert {
        table,
        columns,
        partition,
        query: query::query(cursor)?,
        at,
    })
}

/// A column of `PARTITION`, with its value if it is given.
fn partition(cursor: &mut Cursor<'_>) -> Result<Option<(Name, ast::Expr)>> {
    let column = cursor.name("a column name")?;
    if !cursor.eat_token(&Token::Eq) {
        return Ok(None);
    }
    Ok(Some((
        column,
        cursor.parse(sqlparser::parser::Parser::parse_expr)?,
    )))
}

/// Whether a list of columns follows, rather than a query in parentheses.
fn names_columns(rest: &[TokenWithSpan]) -> bool {
    let keyword = |token: &Token, word: &str| matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word));
    match rest {
        [open, next, ..] if open.token == Token::LParen => {
            next.token != Token::LParen
                && !["SELECT", "WITH", "VALUES"]
                    .iter()
                    .any(|word| keyword(&next.token, word))
        }
        _ => false,
    }
}
