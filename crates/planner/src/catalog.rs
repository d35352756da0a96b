//! The tables and views that a script defines.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion_expr::{AggregateUDF, Expr, LogicalPlan, ScalarUDF};
use weir_connector::{Secrets, Table, origin};
use weir_model::{ErrorCode, Location, Problem};
use weir_proto::convert::sql_type;

use crate::{
    error::{self, Result},
    logical::Session,
    origins,
    parse::{
        Drop,
        ddl::{Column, ColumnKind, CreateTable, CreateView},
        hints::Hints,
        tokens::Name,
        types::Length,
    },
    side_options,
    timing::{self, Timing},
};

/// Tables and views by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    relations: BTreeMap<String, Relation>,
    /// The tables' definitions, for those that are like them.
    definitions: BTreeMap<String, CreateTable>,
    /// Functions of the script's by their names in lowercase.
    functions: BTreeMap<String, UserFunction>,
    hints: Arc<Hints>,
    secrets: Arc<Secrets>,
}

/// A function that the script creates.
#[derive(Clone, Debug)]
pub(crate) struct UserFunction {
    /// The function.
    pub kind: UserKind,
    /// Its module: it travels with the job.
    pub module: Arc<weir_functions::wasm::Module>,
}

/// What a function of the script's is of.
#[derive(Clone, Debug)]
pub(crate) enum UserKind {
    /// One row.
    Scalar(Arc<ScalarUDF>),
    /// Many rows.
    Aggregate(Arc<AggregateUDF>),
}

impl UserFunction {
    fn name(&self) -> &str {
        match &self.kind {
            UserKind::Scalar(function) => function.name(),
            UserKind::Aggregate(function) => function.name(),
        }
    }
}

/// What a name in FROM stands for.
#[derive(Clone, Debug)]
pub(crate) enum Relation {
    /// A connector's.
    Table(Arc<TableDef>),
    /// A query's, coerced.
    View(Arc<LogicalPlan>),
}

/// A table as its DDL defines it.
#[derive(Clone, Debug)]
pub(crate) struct TableDef {
    /// What connectors see.
    pub table: Table,
    /// All columns in DDL order.
    pub columns: Vec<ColumnDef>,
    /// The same as a schema.
    pub schema: SchemaRef,
    /// How long values of physical columns are, of those that have a length.
    pub lengths: BTreeMap<String, Length>,
    /// Event time, if the table has it.
    pub watermark: Option<WatermarkDef>,
    /// The columns of its primary key.
    pub primary_key: Vec<String>,
    /// What its options may name by `${secret:name}`.
    pub secrets: Arc<Secrets>,
    /// The table that rows of this one go to when operators drop them as late.
    pub late_sink: Option<Name>,
    /// The table that records of this one go to when they cannot be read.
    pub dead_letter: Option<Name>,
    /// Where its name stands.
    pub at: Location,
    /// Where its options stand.
    pub options: Vec<(Name, Name)>,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub(crate) struct ColumnDef {
    /// Its name.
    pub name: String,
    /// How to compute it from physical columns; none for a physical column.
    pub computed: Option<Expr>,
}

/// Event time of a table.
#[derive(Clone, Debug)]
pub(crate) struct WatermarkDef {
    /// The event-time column.
    pub column: String,
    /// The watermark that a row implies, over the table's columns; TIMESTAMP(3).
    pub expr: Expr,
    /// How watermarks come.
    pub timing: Timing,
}

impl Catalog {
    /// No tables yet, of a script with these hints.
    pub(crate) fn new(hints: Hints, secrets: Arc<Secrets>) -> Self {
        Self {
            hints: Arc::new(hints),
            secrets,
            ..Self::default()
        }
    }

    /// What tables may name by `${secret:name}`.
    pub(crate) fn secrets(&self) -> &Arc<Secrets> {
        &self.secrets
    }

    /// The script's hints.
    pub(crate) fn hints(&self) -> &Arc<Hints> {
        &self.hints
    }

    /// What the name stands for.
    pub(crate) fn get(&self, name: &str) -> Option<&Relation> {
        self.relations.get(name)
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.relations.keys().map(String::as_str)
    }

    /// The names of tables that are not views.
    pub(crate) fn table_names(&self) -> impl Iterator<Item = &str> {
        self.relations
            .iter()
            .filter(|(_, r)| matches!(r, Relation::Table(_)))
            .map(|(name, _)| name.as_str())
    }

    /// Whether the name is free; a taken one is only right with `IF NOT EXISTS`.
    pub(crate) fn is_free(&self, name: &Name, if_not_exists: bool) -> Result<bool> {
        match self.relations.get(&name.value) {
            None => Ok(true),
            Some(_) if if_not_exists => Ok(false),
            Some(_) => Err(error::invalid(
                name.at,
                format!("'{}' is defined twice", name.value),
            )),
        }
    }

    /// The script's function of that name, in any case.
    pub(crate) fn function(&self, name: &str) -> Option<&UserFunction> {
        self.functions.get(&name.to_lowercase())
    }

    /// The script's functions.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &UserFunction> {
        self.functions.values()
    }

    /// The names of the script's functions.
    pub(crate) fn function_names(&self) -> Vec<String> {
        self.functions.values().map(|f| f.name().to_owned()).collect()
    }

    /// Adds a function.
    pub(crate) fn add_function(&mut self, function: UserFunction) {
        self.functions.insert(function.name().to_lowercase(), function);
    }

    /// Adds a table.
    pub(crate) fn add_table(&mut self, table: TableDef) {
        self.relations
            .insert(table.table.name.clone(), Relation::Table(Arc::new(table)));
    }

    /// Keeps how a table is defined.
    pub(crate) fn add_definition(&mut self, ddl: CreateTable) {
        self.definitions.insert(ddl.name.value.clone(), ddl);
    }

    /// How a table is defined.
    pub(crate) fn definition(&self, name: &str) -> Option<&CreateTable> {
        self.definitions.get(name)
    }

    /// Forgets a table or a view.
    pub(crate) fn drop_relation(&mut self, drop: &Drop) -> Result<()> {
        let (name, at) = (&drop.name.value, drop.name.at);
        match self.relations.get(name) {
            None if drop.if_exists => Ok(()),
            None => Err(error::unknown(at, "table or view", name, self.names())),
            Some(Relation::View(_)) if !drop.is_view => {
                Err(error::invalid(at, format!("'{name}' is a view: write DROP VIEW")))
            }
            Some(Relation::Table(_)) if drop.is_view => Err(error::invalid(
                at,
                format!("'{name}' is a table: write DROP TABLE"),
            )),
            Some(_) => {
                self.relations.remove(name);
                self.definitions.remove(name);
                Ok(())
            }
        }
    }

    /// Adds a view.
    pub(crate) fn add_view(&mut self, view: &CreateView, plan: LogicalPlan) {
        self.relations
            .insert(view.name.value.clone(), Relation::View(Arc::new(plan)));
    }
}

impl TableDef {
    /// Reads a `CREATE TABLE`.
    pub(crate) fn new(ddl: CreateTable, session: &Session<'_>) -> Result<Self> {
        let connector = connector_name(&ddl)?;
        let found = weir_connector::connector(&connector.value).map_err(|e| e.problem().at(connector.at))?;
        let physical: SchemaRef = if ddl.columns.is_empty() {
            found.default_schema().ok_or_else(|| {
                error::invalid(
                    ddl.name.at,
                    format!(
                        "table '{}' needs columns: connector '{}' has none of its own",
                        ddl.name.value,
                        found.name()
                    ),
                )
            })?
        } else {
            origins::check(&ddl, found)?;
            physical_schema(&ddl, found.has_keys())
        };
        if origin::in_rows(&physical).fields().is_empty() {
            return Err(error::invalid(
                ddl.name.at,
                format!("table '{}' needs a physical column", ddl.name.value),
            ));
        }
        let (columns, schema) = columns(&ddl, &physical, session)?;
        check_primary_key(&ddl, &schema)?;
        let watermark = watermark(&ddl, &columns, &schema, session)?;
        let lengths = lengths(&ddl);
        let late_sink = side_options::late_sink(&ddl, watermark.as_ref())?;
        let dead_letter = side_options::dead_letter(&ddl, found)?;
        let options = ddl
            .options
            .iter()
            .filter(|(key, _)| {
                key.value != "connector"
                    && !side_options::is_one(&key.value)
                    && !timing::is_timing(&key.value)
            })
            .map(|(key, value)| (key.value.clone(), value.value.clone()))
            .collect();
        let mut defined = Self {
            table: Table {
                name: ddl.name.value,
                connector: connector.value,
                options,
                schema: physical,
            },
            columns,
            schema: Arc::new(schema),
            lengths,
            watermark,
            primary_key: ddl.primary_key.into_iter().map(|key| key.value).collect(),
            secrets: Arc::clone(session.secrets()),
            late_sink,
            dead_letter,
            at: ddl.name.at,
            options: ddl.options,
        };
        defined.embed()?;
        Ok(defined)
    }

    /// Puts into the options what is in files that they name: workers need not have them.
    fn embed(&mut self) -> Result<()> {
        weir_connector::format::embed(&mut self.table.options).map_err(|error| self.problem(error))
    }

    /// The same table with other options, as a hint gives them.
    pub(crate) fn with_options(&self, options: &[(Name, Name)]) -> Result<Self> {
        let mut table = self.clone();
        for (key, value) in options {
            if key.value == "connector" {
                return Err(error::invalid(
                    key.at,
                    "a hint cannot make another connector of a table: create a table for it",
                ));
            }
            table.table.options.insert(key.value.clone(), value.value.clone());
            table.options.retain(|(known, _)| known.value != key.value);
            table.options.push((key.clone(), value.clone()));
        }
        table.embed()?;
        Ok(table)
    }

    /// The table as its connector sees it: with the values of secrets.
    pub(crate) fn resolved(&self) -> Result<Table> {
        self.secrets
            .resolve(&self.table)
            .map_err(|error| self.problem(error))
    }

    /// The error of a connector about this table, at the place of the option that is wrong.
    pub(crate) fn problem(&self, error: weir_connector::OptionError) -> Problem {
        use weir_connector::OptionError as E;
        let at = |wanted: &str, value: bool| {
            let found = self.options.iter().find(|(key, _)| key.value == wanted);
            found.map_or(self.at, |(key, text)| if value { text.at } else { key.at })
        };
        let place = match &error {
            E::UnknownConnector { .. } | E::Unsupported { .. } => at("connector", true),
            E::Unknown { option, .. } => at(option, false),
            E::Invalid { option, .. } => at(option, true),
            E::Missing { .. } => self.at,
            E::Unavailable { .. } => {
                if self.options.iter().any(|(key, _)| key.value == "path") {
                    at("path", true)
                } else {
                    self.at
                }
            }
        };
        let mut problem = error.problem().at(place);
        problem.detail = self.secrets.mask(&problem.detail);
        problem
    }
}

fn connector_name(ddl: &CreateTable) -> Result<Name> {
    let given = ddl.options.iter().find(|(key, _)| key.value == "connector");
    given.map(|(_, value)| value.clone()).ok_or_else(|| {
        Problem::new(
            ErrorCode::MissingOption,
            format!(
                "table '{}' needs the option 'connector': what it reads or writes",
                ddl.name.value
            ),
        )
        .at(ddl.name.at)
    })
}

fn lengths(ddl: &CreateTable) -> BTreeMap<String, Length> {
    let length = |column: &Column| match &column.kind {
        ColumnKind::Physical(t) => t.length.map(|length| (column.name.value.clone(), length)),
        ColumnKind::Computed { .. } | ColumnKind::Metadata { .. } => None,
    };
    ddl.columns.iter().filter_map(length).collect()
}

fn physical_schema(ddl: &CreateTable, marks_keys: bool) -> SchemaRef {
    let fields: Vec<Field> = ddl
        .columns
        .iter()
        .filter_map(|column| match &column.kind {
            ColumnKind::Physical(t) => {
                let keyed = ddl.primary_key.iter().any(|key| key.value == column.name.value);
                let field = Field::new(&column.name.value, t.data_type.clone(), t.nullable && !keyed);
                Some(if keyed && marks_keys {
                    origin::key(field)
                } else {
                    field
                })
            }
            ColumnKind::Metadata {
                sql_type: taken,
                key,
                is_virtual,
            } => Some(origin::metadata(
                Field::new(&column.name.value, taken.data_type.clone(), taken.nullable),
                &key.value,
                *is_virtual,
            )),
            ColumnKind::Computed { .. } => None,
        })
        .map(|field| {
            if ddl.partitioned_by.iter().any(|p| p.value == *field.name()) {
                origin::partition(field)
            } else {
                field
            }
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn columns(
    ddl: &CreateTable,
    physical: &SchemaRef,
    session: &Session<'_>,
) -> Result<(Vec<ColumnDef>, Schema)> {
    if ddl.columns.is_empty() {
        let columns = physical
            .fields()
            .iter()
            .map(|f| ColumnDef {
                name: f.name().clone(),
                computed: None,
            })
            .collect();
        return Ok((columns, physical.as_ref().clone()));
    }
    let mut columns = Vec::new();
    let mut fields = Vec::new();
    for column in &ddl.columns {
        let name = column.name.value.clone();
        let computed = match &column.kind {
            ColumnKind::Physical(_) | ColumnKind::Metadata { .. } => {
                let field = physical
                    .field_with_name(&name)
                    .map_err(|e| error::internal(e.to_string()))?;
                fields.push(field.clone().with_metadata(HashMap::new()));
                None
            }
            ColumnKind::Computed { expr, at } => {
                let (expr, field) = session.expr(expr, physical, *at)?;
                fields.push(Field::new(&name, field.data_type().clone(), field.is_nullable()));
                Some(expr)
            }
        };
        columns.push(ColumnDef { name, computed });
    }
    Ok((columns, Schema::new(fields)))
}

fn check_primary_key(ddl: &CreateTable, schema: &Schema) -> Result<()> {
    for key in &ddl.primary_key {
        if schema.field_with_name(&key.value).is_err() {
            return Err(error::unknown(
                key.at,
                "column",
                &key.value,
                schema.fields().iter().map(|f| f.name().as_str()),
            ));
        }
    }
    Ok(())
}

fn watermark(
    ddl: &CreateTable,
    columns: &[ColumnDef],
    schema: &Schema,
    session: &Session<'_>,
) -> Result<Option<WatermarkDef>> {
    let timing = Timing::read(&ddl.options, ddl.watermark.is_some())?;
    let Some(watermark) = &ddl.watermark else {
        return Ok(None);
    };
    let column = &watermark.column;
    let is_proctime = |def: &ColumnDef| {
        def.name == column.value
            && def
                .computed
                .as_ref()
                .is_some_and(crate::logical::proctime::is_call)
    };
    if columns.iter().any(is_proctime) {
        return Err(error::invalid(
            column.at,
            format!(
                "'{}' is a processing time, which has no watermark: leave WATERMARK FOR out",
                column.value
            ),
        ));
    }
    let Ok(field) = schema.field_with_name(&column.value) else {
        let names = schema.fields().iter().map(|f| f.name().as_str());
        return Err(error::unknown(column.at, "column", &column.value, names));
    };
    if !is_event_time(field.data_type()) {
        return Err(error::type_error(
            column.at,
            format!(
                "the event-time column '{}' is {}: it must be TIMESTAMP(3) or TIMESTAMP_LTZ(3)",
                column.value,
                sql_type(field.data_type())
            ),
        ));
    }
    let (expr, result) = session.expr(&watermark.expr, &Arc::new(schema.clone()), watermark.at)?;
    if !matches!(result.data_type(), DataType::Timestamp(..)) {
        return Err(error::type_error(
            watermark.at,
            format!(
                "the watermark is {}: it must be a TIMESTAMP",
                sql_type(result.data_type())
            ),
        ));
    }
    let expr = crate::logical::cast_to(expr, result.data_type(), &TIMESTAMP_MS);
    Ok(Some(WatermarkDef {
        column: column.value.clone(),
        expr,
        timing,
    }))
}

/// TIMESTAMP(3), the type of event time.
pub(crate) const TIMESTAMP_MS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// Whether values of the type can be event time.
pub(crate) fn is_event_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(TimeUnit::Millisecond, _))
}
