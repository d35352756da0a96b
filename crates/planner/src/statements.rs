//! Statements in their order: definitions go to the catalog, INSERTs become operators.

use std::{collections::HashMap, sync::Arc};

use arrow_schema::{DataType, Schema};
use datafusion_expr::{Expr, LogicalPlan};
use weir_functions::wasm::Limits;

use crate::{
    catalog::{Catalog, Relation, TableDef},
    error::{self, Result},
    like,
    logical::{Session, user},
    origins,
    parse::{
        Insert, Statement,
        ddl::{Column, ColumnKind, CreateTable, CreateView, Rows},
        tokens::Name,
        types::SqlType,
    },
    physical::{Operators, lower::Lower, passing},
};

/// The table that a query alone goes to.
const PREVIEW: &str = "preview";

/// What the statements so far have made.
pub(crate) struct Statements {
    /// Tables, views and functions.
    pub catalog: Catalog,
    /// What the INSERTs compute.
    pub operators: Operators,
    /// The tables that they write, as often as they do.
    pub targets: Vec<String>,
    limits: Limits,
}

impl Statements {
    pub(crate) fn new(catalog: Catalog, operators: Operators, limits: Limits) -> Self {
        Self {
            catalog,
            operators,
            targets: Vec::new(),
            limits,
        }
    }

    /// Takes one statement. Settings are not its business.
    pub(crate) fn run(&mut self, statement: Statement) -> Result<()> {
        match statement {
            Statement::Set { .. } | Statement::Reset { .. } | Statement::Use => Ok(()),
            Statement::CreateFunction(function) => user::create(&mut self.catalog, &function, self.limits),
            Statement::CreateTable(ddl) => self.create_table(*ddl),
            Statement::CreateView(view) => self.create_view(&view),
            Statement::Drop(drop) => self.catalog.drop_relation(&drop),
            Statement::Insert(insert) => {
                let plan = Session::new(&self.catalog).query(&insert.query, insert.at)?;
                self.insert(&insert, &plan)
            }
            Statement::Query(rows) => self.preview(rows),
        }
    }

    /// Prints a query's rows: as the table `preview`, or whatever is free of `preview_2` and so on.
    fn preview(&mut self, rows: Rows) -> Result<()> {
        let name = |value: &str| Name {
            value: value.to_owned(),
            at: rows.at,
        };
        let further = (2..).map(|number| format!("{PREVIEW}_{number}"));
        let mut names = std::iter::once(PREVIEW.to_owned()).chain(further);
        let is_free = |name: &String| self.catalog.get(name).is_none();
        let free = names.find(is_free).unwrap_or_default();
        self.create_table(CreateTable {
            name: name(&free),
            if_not_exists: false,
            columns: Vec::new(),
            watermark: None,
            primary_key: Vec::new(),
            partitioned_by: Vec::new(),
            options: vec![(name("connector"), name("print"))],
            like: None,
            query: Some(Box::new(rows.clone())),
        })
    }

    fn create_table(&mut self, mut ddl: CreateTable) -> Result<()> {
        if !self.catalog.is_free(&ddl.name, ddl.if_not_exists)? {
            return Ok(());
        }
        if let Some(like) = ddl.like.take() {
            ddl = like::merged(self.base(&like.table)?, &like, ddl)?;
        }
        let Some(rows) = ddl.query.take() else {
            return self.define(ddl);
        };
        let plan = Session::new(&self.catalog).query(&rows.query, rows.at)?;
        let columns = with_columns_of(&mut ddl, &plan, &rows);
        let table = ddl.name.clone();
        self.define(ddl)?;
        let insert = Insert {
            table,
            columns,
            partition: Vec::new(),
            query: rows.query,
            at: rows.at,
        };
        self.insert(&insert, &plan)
    }

    fn define(&mut self, ddl: CreateTable) -> Result<()> {
        let mut definition = ddl.clone();
        let table = TableDef::new(ddl, &Session::new(&self.catalog))?;
        if definition.columns.is_empty() {
            // The connector has named them.
            let fields = table.schema.fields().iter();
            let column = |f: &Arc<arrow_schema::Field>| {
                physical(&definition.name, f.name(), f.data_type(), f.is_nullable())
            };
            definition.columns = fields.map(column).collect();
        }
        self.catalog.add_table(table);
        self.catalog.add_definition(definition);
        Ok(())
    }

    /// The definition of a table that another one is like.
    fn base(&self, name: &Name) -> Result<&CreateTable> {
        self.catalog
            .definition(&name.value)
            .ok_or_else(|| match self.catalog.get(&name.value) {
                Some(_) => error::invalid(name.at, format!("'{}' is a view: LIKE takes a table", name.value)),
                None => error::unknown(name.at, "table", &name.value, self.catalog.table_names()),
            })
    }

    fn create_view(&mut self, view: &CreateView) -> Result<()> {
        if !self.catalog.is_free(&view.name, view.if_not_exists)? {
            return Ok(());
        }
        let plan = Session::new(&self.catalog).view(view)?;
        self.catalog.add_view(view, plan);
        Ok(())
    }

    fn insert(&mut self, insert: &Insert, plan: &LogicalPlan) -> Result<()> {
        let table = self.sink_table(insert)?;
        let constants = self.constants(insert, &table)?;
        let name = &insert.table.value;
        let before = self.targets.iter().filter(|target| *target == name).count();
        self.targets.push(name.clone());
        let scope = match before {
            0 => format!("sink-{name}"),
            before => format!("sink-{name}-{}", before + 1),
        };
        let lowered =
            Lower::new(&mut self.operators, scope, insert.at).insert(insert, plan, &table, &constants);
        lowered.map(drop).map_err(|problem| {
            if problem.location.is_some() {
                problem
            } else {
                problem.at(insert.at)
            }
        })?;
        passing::check_changes(&self.operators, insert.at)
    }

    fn sink_table(&self, insert: &Insert) -> Result<Arc<TableDef>> {
        let name = &insert.table;
        match self.catalog.get(&name.value) {
            Some(Relation::Table(table)) => match self.catalog.hints().of_table(name.at) {
                [] => origins::written(table, name.at).map(Arc::new),
                options => origins::written(&table.with_options(options)?, name.at).map(Arc::new),
            },
            Some(Relation::View(_)) => Err(error::invalid(
                name.at,
                format!("'{}' is a view: insert into a table", name.value),
            )),
            None => Err(error::unknown(
                name.at,
                "table",
                &name.value,
                self.catalog.table_names(),
            )),
        }
    }

    /// The values of `PARTITION (column = value)`, by column.
    fn constants(&self, insert: &Insert, table: &TableDef) -> Result<HashMap<String, Expr>> {
        let none = Arc::new(Schema::empty());
        let session = Session::new(&self.catalog);
        let mut constants = HashMap::new();
        for (name, value) in &insert.partition {
            let is_partition = |f: &Arc<arrow_schema::Field>| weir_connector::origin::is_partition(f);
            let mut partitions = table.table.schema.fields().iter().filter(|f| is_partition(f));
            if !partitions.clone().any(|field| *field.name() == name.value) {
                let names = partitions.by_ref().map(|field| field.name().as_str());
                return Err(error::unknown(name.at, "partition column", &name.value, names));
            }
            let (value, _) = session.expr(value, &none, name.at)?;
            if constants.insert(name.value.clone(), value).is_some() {
                let detail = format!("column '{}' is named twice", name.value);
                return Err(error::invalid(name.at, detail));
            }
        }
        Ok(constants)
    }
}

/// Adds the columns of a query behind those of the table, which may say another type of them; returns the names of the query's.
fn with_columns_of(ddl: &mut CreateTable, plan: &LogicalPlan, rows: &Rows) -> Vec<Name> {
    let names = plan.schema().fields().iter().map(|field| Name {
        value: field.name().clone(),
        at: rows.at,
    });
    let names: Vec<Name> = names.collect();
    for field in plan.schema().fields() {
        let declared = ddl
            .columns
            .iter()
            .position(|c| c.name.value == *field.name() && !matches!(c.kind, ColumnKind::Computed { .. }));
        let column = match declared {
            Some(declared) => ddl.columns.remove(declared),
            None => physical(&ddl.name, field.name(), field.data_type(), field.is_nullable()),
        };
        ddl.columns.push(column);
    }
    names
}

fn physical(table: &Name, name: &str, data_type: &DataType, nullable: bool) -> Column {
    let data_type = match data_type {
        DataType::Null | DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        other => other.clone(),
    };
    Column {
        name: Name {
            value: name.to_owned(),
            at: table.at,
        },
        kind: ColumnKind::Physical(SqlType {
            data_type,
            nullable,
            length: None,
        }),
    }
}
