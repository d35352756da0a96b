//! `CREATE TABLE` and `CREATE VIEW`.

use sqlparser::{ast, parser::Parser, tokenizer::Token};
use weir_connector::changelog::OP_COLUMN;
use weir_model::Location;

use super::{
    Statement, function,
    like::{self, Like},
    query,
    tokens::{Cursor, Name},
    types::{self, SqlType},
};
use crate::error::{self, Result};

/// `CREATE TABLE`
#[derive(Clone, Debug)]
pub(crate) struct CreateTable {
    /// Its name.
    pub name: Name,
    /// A second definition of the name is ignored.
    pub if_not_exists: bool,
    /// Its columns; none if the DDL names none.
    pub columns: Vec<Column>,
    /// `WATERMARK FOR`
    pub watermark: Option<Watermark>,
    /// The columns of `PRIMARY KEY`.
    pub primary_key: Vec<Name>,
    /// The columns of `PARTITIONED BY`.
    pub partitioned_by: Vec<Name>,
    /// The `WITH` options.
    pub options: Vec<(Name, Name)>,
    /// `LIKE`
    pub like: Option<Like>,
    /// `AS SELECT ...`
    pub query: Option<Box<Rows>>,
}

/// The query of `CREATE TABLE ... AS SELECT ...`.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// The rows.
    pub query: Box<ast::Query>,
    /// Where the query begins.
    pub at: Location,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// Its name.
    pub name: Name,
    /// Where its values come from.
    pub kind: ColumnKind,
}

/// Where a column's values come from.
#[derive(Clone, Debug)]
pub(crate) enum ColumnKind {
    /// From the connector.
    Physical(SqlType),
    /// From the connector, which says it of each row beside what is in it.
    Metadata {
        /// As what the value is taken.
        sql_type: SqlType,
        /// The connector's name of it.
        key: Name,
        /// Whether it is read only.
        is_virtual: bool,
    },
    /// Computed from physical columns.
    Computed {
        /// The expression.
        expr: Box<ast::Expr>,
        /// Where it begins.
        at: Location,
    },
}

/// `WATERMARK FOR column AS expr`
#[derive(Clone, Debug)]
pub(crate) struct Watermark {
    /// The event-time column.
    pub column: Name,
    /// The watermark that a row implies.
    pub expr: ast::Expr,
    /// Where the expression begins.
    pub at: Location,
}

/// `CREATE VIEW`
#[derive(Clone, Debug)]
pub(crate) struct CreateView {
    /// Its name.
    pub name: Name,
    /// A second definition of the name is ignored.
    pub if_not_exists: bool,
    /// New names of its columns, if given.
    pub columns: Vec<Name>,
    /// Its rows.
    pub query: Box<ast::Query>,
    /// Where the query begins.
    pub at: Location,
}

/// `CREATE ...`
pub(crate) fn create(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.skip();
    let at = cursor.at();
    let temporary = cursor.eat(&["TEMPORARY"]);
    if cursor.eat(&["SYSTEM", "FUNCTION"]) || cursor.eat(&["FUNCTION"]) {
        return function::create_function(cursor).map(Statement::CreateFunction);
    }
    if cursor.eat(&["TABLE"]) {
        return Ok(Statement::CreateTable(Box::new(create_table(cursor)?)));
    }
    if cursor.eat(&["VIEW"]) {
        return create_view(cursor).map(Statement::CreateView);
    }
    let what = cursor
        .peek_word(0)
        .map(|w| w.value.to_uppercase())
        .unwrap_or_default();
    match what.as_str() {
        "CATALOG" | "DATABASE" | "SYSTEM" | "MODEL" | "OR" | "MATERIALIZED" => Err(error::unsupported(
            at,
            format!("CREATE {what} is not supported: CREATE TABLE, CREATE VIEW and CREATE FUNCTION are"),
        )),
        _ if temporary => Err(cursor.expected("TABLE, VIEW or FUNCTION")),
        _ => Err(cursor.expected("TABLE, VIEW, FUNCTION or TEMPORARY")),
    }
}

fn create_table(cursor: &mut Cursor<'_>) -> Result<CreateTable> {
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let name = cursor.table_name()?;
    let mut table = CreateTable {
        name,
        if_not_exists,
        columns: Vec::new(),
        watermark: None,
        primary_key: Vec::new(),
        partitioned_by: Vec::new(),
        options: Vec::new(),
        like: None,
        query: None,
    };
    if cursor.eat_token(&Token::LParen) {
        elements(cursor, &mut table)?;
    }
    clauses(cursor, &mut table)?;
    Ok(table)
}

fn elements(cursor: &mut Cursor<'_>, table: &mut CreateTable) -> Result<()> {
    if cursor.eat_token(&Token::RParen) {
        return Ok(());
    }
    loop {
        element(cursor, table)?;
        if !cursor.eat_token(&Token::Comma) {
            return cursor.expect_token(&Token::RParen);
        }
    }
}

fn element(cursor: &mut Cursor<'_>, table: &mut CreateTable) -> Result<()> {
    let at = cursor.at();
    if cursor.eat(&["WATERMARK", "FOR"]) {
        let watermark = watermark(cursor)?;
        if table.watermark.replace(watermark).is_some() {
            return Err(error::invalid(at, "a table has at most one WATERMARK"));
        }
        return Ok(());
    }
    if cursor.eat(&["CONSTRAINT"]) {
        cursor.name("the constraint's name")?;
        cursor.expect(&["PRIMARY", "KEY"])?;
        return primary_key(cursor, table, at);
    }
    if cursor.eat(&["PRIMARY", "KEY"]) {
        return primary_key(cursor, table, at);
    }
    let name = cursor.name("a column name")?;
    if table.columns.iter().any(|c| c.name.value == name.value) {
        return Err(error::invalid(
            name.at,
            format!("the table has two columns named '{}'", name.value),
        ));
    }
    let kind = column_kind(cursor, table, &name)?;
    if cursor.eat(&["COMMENT"]) {
        cursor.string("a comment in single quotes")?;
    }
    if name.value == OP_COLUMN {
        return Err(error::invalid(
            name.at,
            format!("the name '{OP_COLUMN}' is taken: it says what a row of a changing result does"),
        ));
    }
    table.columns.push(Column { name, kind });
    Ok(())
}

fn column_kind(cursor: &mut Cursor<'_>, table: &mut CreateTable, name: &Name) -> Result<ColumnKind> {
    if cursor.eat(&["AS"]) {
        let at = cursor.at();
        return Ok(ColumnKind::Computed {
            expr: Box::new(cursor.parse(Parser::parse_expr)?),
            at,
        });
    }
    let mut sql_type = types::sql_type(cursor)?;
    if cursor.eat(&["METADATA"]) {
        let key = if cursor.eat(&["FROM"]) {
            cursor.string("a metadata key in single quotes, as in FROM 'file.path'")?
        } else {
            name.clone()
        };
        return Ok(ColumnKind::Metadata {
            sql_type,
            key,
            is_virtual: cursor.eat(&["VIRTUAL"]),
        });
    }
    let at = cursor.at();
    if cursor.eat(&["PRIMARY", "KEY"]) {
        not_enforced(cursor)?;
        set_primary_key(table, vec![name.clone()], at)?;
        sql_type.nullable = false;
    }
    Ok(ColumnKind::Physical(sql_type))
}

fn primary_key(cursor: &mut Cursor<'_>, table: &mut CreateTable, at: Location) -> Result<()> {
    let columns = cursor.list(|c| c.name("a column name"))?;
    not_enforced(cursor)?;
    set_primary_key(table, columns, at)
}

fn not_enforced(cursor: &mut Cursor<'_>) -> Result<()> {
    if cursor.eat(&["NOT", "ENFORCED"]) {
        return Ok(());
    }
    Err(error::unsupported(
        cursor.at(),
        "a primary key is not checked on a stream: write PRIMARY KEY ... NOT ENFORCED",
    ))
}

fn set_primary_key(table: &mut CreateTable, columns: Vec<Name>, at: Location) -> Result<()> {
    if !table.primary_key.is_empty() {
        return Err(error::invalid(at, "a table has at most one PRIMARY KEY"));
    }
    table.primary_key = columns;
    Ok(())
}

fn watermark(cursor: &mut Cursor<'_>) -> Result<Watermark> {
    let column = cursor.name("the event-time column")?;
    if cursor.peek() == Some(&Token::Period) {
        return Err(error::unsupported(
            column.at,
            "the event-time column must be a column of the table: add a computed column for a nested field",
        ));
    }
    cursor.expect(&["AS"])?;
    let at = cursor.at();
    Ok(Watermark {
        column,
        expr: cursor.parse(Parser::parse_expr)?,
        at,
    })
}

fn clauses(cursor: &mut Cursor<'_>, table: &mut CreateTable) -> Result<()> {
    if cursor.eat(&["COMMENT"]) {
        cursor.string("a comment in single quotes")?;
    }
    if cursor.eat(&["PARTITIONED", "BY"]) {
        table.partitioned_by = cursor.list(|c| c.name("a column name"))?;
    }
    let at = cursor.at();
    if cursor.is_keyword("DISTRIBUTED") {
        return Err(error::unsupported(at, "DISTRIBUTED BY is not supported"));
    }
    if cursor.eat(&["WITH"]) {
        table.options = cursor.list(option)?;
    }
    if cursor.eat(&["LIKE"]) {
        table.like = Some(like::like(cursor)?);
    }
    if table.like.is_none() && cursor.eat(&["AS"]) {
        let at = cursor.at();
        let query = query::query(cursor)?;
        table.query = Some(Box::new(Rows { query, at }));
    }
    for (i, (key, _)) in table.options.iter().enumerate() {
        if table.options[..i]
            .iter()
            .any(|(earlier, _)| earlier.value == key.value)
        {
            return Err(error::invalid(
                key.at,
                format!("the option '{}' is given twice", key.value),
            ));
        }
    }
    Ok(())
}

fn option(cursor: &mut Cursor<'_>) -> Result<(Name, Name)> {
    let key = cursor.string("an option in single quotes, as in 'connector' = 'filesystem'")?;
    cursor.expect_token(&Token::Eq)?;
    let value = cursor.string("a value in single quotes")?;
    Ok((key, value))
}

fn create_view(cursor: &mut Cursor<'_>) -> Result<CreateView> {
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let name = cursor.table_name()?;
    let columns = match cursor.peek() {
        Some(Token::LParen) => cursor.list(|c| {
            let name = c.name("a column name")?;
            if c.eat(&["COMMENT"]) {
                c.string("a comment in single quotes")?;
            }
            Ok(name)
        })?,
        _ => Vec::new(),
    };
    if cursor.eat(&["COMMENT"]) {
        cursor.string("a comment in single quotes")?;
    }
    cursor.expect(&["AS"])?;
    let at = cursor.at();
    Ok(CreateView {
        name,
        if_not_exists,
        columns,
        query: query::query(cursor)?,
        at,
    })
}
