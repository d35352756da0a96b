//! What DataFusion's SQL planner asks for: tables, functions, types.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
};

use arrow_schema::{DataType, Field, FieldRef, SchemaRef};
use datafusion_common::{
    Column, DataFusionError, Result, TableReference, config::ConfigOptions, not_impl_err,
};
use datafusion_expr::{
    AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, TableType, WindowUDF, lit,
    planner::{ContextProvider, ExprPlanner, PlannerResult, RelationPlanner, TypePlanner},
};
use datafusion_functions::{
    core::planner::CoreFunctionPlanner, datetime::planner::DatetimeFunctionPlanner,
    unicode::planner::UnicodeFunctionPlanner,
};
use datafusion_functions_aggregate::{grouping::grouping_udaf, planner::AggregateFunctionPlanner};
use sqlparser::ast::Query;
use weir_model::{ErrorCode, Location, Problem};

use super::{
    aggregates, functions, hints::HintedRelations, match_recognize::Patterns, operators::FlinkOperators,
    over, ranking, temporal, unnest::UnnestTables, window::WindowFunctions,
};
use crate::{
    catalog::{Catalog, Relation, TableDef, UserKind},
    error,
    parse::types,
};

/// The script's catalog as DataFusion's planner sees it.
pub(crate) struct Context<'a> {
    catalog: &'a Catalog,
    config: ConfigOptions,
    expr_planners: Vec<Arc<dyn ExprPlanner>>,
    relation_planners: Vec<Arc<dyn RelationPlanner>>,
    hinted: Arc<HintedRelations>,
    fields: Arc<NestedFields>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(catalog: &'a Catalog) -> Self {
        let fields = Arc::new(NestedFields::default());
        let hinted = Arc::new(HintedRelations::new(Arc::clone(catalog.hints())));
        Self {
            catalog,
            config: ConfigOptions::default(),
            expr_planners: vec![
                Arc::clone(&fields) as _,
                Arc::new(FlinkOperators),
                Arc::new(CoreFunctionPlanner::default()),
                Arc::new(DatetimeFunctionPlanner),
                Arc::new(UnicodeFunctionPlanner),
                Arc::new(AggregateFunctionPlanner),
                Arc::new(over::CountRows),
            ],
            relation_planners: vec![
                Arc::new(UnnestTables),
                Arc::clone(&hinted) as _,
                Arc::new(WindowFunctions),
                Arc::new(Patterns),
            ],
            hinted,
            fields,
        }
    }

    pub(crate) fn config(&self) -> &ConfigOptions {
        &self.config
    }

    /// Takes the hints of a query that is to be planned.
    pub(crate) fn read_hints(&self, query: &Query) -> error::Result<()> {
        self.hinted.read(query)
    }

    /// The names of the functions that the script creates.
    pub(crate) fn user_functions(&self) -> Vec<String> {
        self.catalog.function_names()
    }

    /// The catalog.
    pub(crate) fn catalog(&self) -> &Catalog {
        self.catalog
    }

    /// What the planner swallowed: a field that a ROW does not have.
    pub(crate) fn take_problem(&self) -> Option<Problem> {
        self.fields
            .problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        match self.catalog.get(name.table()) {
            Some(Relation::Table(table)) => Ok(Arc::new(TableScanSource {
                table: Arc::clone(table),
            })),
            Some(Relation::View(plan)) => {
                let schema = Arc::clone(plan.schema().inner());
                Ok(Arc::new(ViewSource {
                    plan: Arc::clone(plan),
                    schema,
                }))
            }
            None => {
                let nowhere = Location { line: 0, column: 0 };
                let mut problem =
                    error::unknown(nowhere, "table or view", name.table(), self.catalog.names());
                problem.location = None;
                Err(DataFusionError::External(Box::new(problem)))
            }
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.expr_planners
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relation_planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(FlinkTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        match self.catalog.function(name).map(|f| &f.kind) {
            Some(UserKind::Scalar(function)) => Some(Arc::clone(function)),
            Some(UserKind::Aggregate(_)) => None,
            None => temporal::function(name).or_else(|| functions::scalar(name)),
        }
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        if name == "grouping" {
            return Some(grouping_udaf());
        }
        match self.catalog.function(name).map(|f| &f.kind) {
            Some(UserKind::Aggregate(function)) => Some(Arc::clone(function)),
            Some(UserKind::Scalar(_)) => None,
            None => aggregates::aggregate(name),
        }
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        ranking::window_function(name).or_else(|| over::function(name))
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.config
    }

    fn udf_names(&self) -> Vec<String> {
        functions::names()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        functions::AGGREGATES
            .iter()
            .map(|name| (*name).to_owned())
            .collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A table in a plan.
pub(crate) struct TableScanSource {
    /// Its definition.
    pub table: Arc<TableDef>,
}

impl TableSource for TableScanSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.table.schema)
    }
}

/// A view in a plan: replaced by its own plan at once.
struct ViewSource {
    plan: Arc<LogicalPlan>,
    schema: SchemaRef,
}

impl TableSource for ViewSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_logical_plan(&'_ self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }
}

/// Flink's types in CAST.
#[derive(Debug)]
struct FlinkTypes;

impl TypePlanner for FlinkTypes {
    fn plan_type_field(&self, sql_type: &sqlparser::ast::DataType) -> Result<Option<FieldRef>> {
        types::of_ast(sql_type).map_or_else(
            || not_impl_err!("a CAST to {sql_type}"),
            |data_type| Ok(Some(Arc::new(Field::new("", data_type, true)))),
        )
    }
}

/// Reads nested fields; keeps the reason why one cannot be read, which DataFusion's planner drops.
#[derive(Debug, Default)]
struct NestedFields {
    problem: Mutex<Option<Problem>>,
}

impl ExprPlanner for NestedFields {
    fn plan_compound_identifier(
        &self,
        field: &Field,
        qualifier: Option<&TableReference>,
        nested_names: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        let mut data_type = field.data_type();
        let mut path = field.name().clone();
        for name in nested_names {
            let DataType::Struct(fields) = data_type else {
                let detail = format!("there is no field '{name}' in '{path}', which is no ROW");
                return self.refuse(Problem::new(ErrorCode::SqlUnknownName, detail));
            };
            let Some(found) = fields.iter().find(|f| f.name() == name) else {
                let nowhere = Location { line: 0, column: 0 };
                let names = fields.iter().map(|f| f.name().as_str());
                let mut problem = error::unknown(nowhere, "field", name, names);
                problem.detail = format!("there is no field '{name}' in '{path}'");
                return self.refuse(problem);
            };
            data_type = found.data_type();
            path = format!("{path}.{name}");
        }
        // As in Flink, the column is named after the last field.
        let column = Expr::Column(Column::from((qualifier, field)));
        let name = nested_names.last().map_or(field.name(), |name| name);
        Ok(PlannerResult::Planned(
            get_field(column, nested_names).alias(name),
        ))
    }
}

fn get_field(of: Expr, names: &[String]) -> Expr {
    names.iter().fold(of, |of, name| {
        datafusion_functions::core::get_field().call(vec![of, lit(name.as_str())])
    })
}

impl NestedFields {
    fn refuse(&self, problem: Problem) -> Result<PlannerResult<Vec<Expr>>> {
        let error = DataFusionError::Plan(problem.detail.clone());
        self.problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(problem);
        Err(error)
    }
}
