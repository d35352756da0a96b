//! MATCH_RECOGNIZE in FROM, and its plan node.
//!
//! - [`pattern`]: the variables of the pattern. Leans on nothing.
//! - [`scope`]: whose rows an expression reads. Leans on nothing.
//! - [`navigate`]: expressions over the rows of a match. Leans on `scope`.
//! - [`node`]: the plan node. Leans on `navigate` and `pattern`.

mod navigate;
mod node;
mod pattern;
mod scope;

use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion_common::{DFSchema, DFSchemaRef, DataFusionError, Result};
use datafusion_expr::{
    Expr, ExprSchemable, Extension, LogicalPlan, SortExpr,
    planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
};
use sqlparser::ast::{
    self, AfterMatchSkip, Ident, Measure, OrderByExpr, RowsPerMatch, Spanned, SymbolDefinition, TableFactor,
};
use weir_model::{Location, Problem};

use self::{
    navigate::Navigator,
    pattern::Quantified,
    scope::{PROCTIME, is_named},
};
pub(crate) use self::{
    navigate::{MatchValue, ValueKind, value_number},
    node::{MatchNode, MatchVariable, Skip},
    scope::navigations,
};
use super::{proctime, window::constant_ms};
use crate::{
    error::{self, place},
    parse::match_recognize::WITHIN,
};

const NOWHERE: Location = Location { line: 1, column: 1 };

/// Plans MATCH_RECOGNIZE in FROM.
#[derive(Debug)]
pub(crate) struct Patterns;

impl RelationPlanner for Patterns {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let at = place(relation.span(), NOWHERE);
        let (clauses, alias) = match relation {
            TableFactor::MatchRecognize {
                table,
                partition_by,
                order_by,
                measures,
                rows_per_match,
                after_match_skip,
                pattern,
                symbols,
                alias,
            } => {
                if matches!(rows_per_match, Some(RowsPerMatch::AllRows(_))) {
                    return refuse(error::unsupported(
                        at,
                        "ALL ROWS PER MATCH is not supported, as in Flink",
                    ));
                }
                let variables = pattern::variables(&pattern, at)?;
                let clauses = Clauses {
                    input: context.plan(*table)?,
                    partition: partition_by,
                    order: order_by,
                    measures,
                    skip: after_match_skip,
                    variables,
                    definitions: symbols,
                    at,
                };
                (clauses, alias)
            }
            other => return Ok(RelationPlanning::Original(Box::new(other))),
        };
        let node = clauses.plan(context)?;
        let plan = LogicalPlan::Extension(Extension { node: Arc::new(node) });
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, alias,
        ))))
    }
}

/// What stands in MATCH_RECOGNIZE.
struct Clauses {
    input: LogicalPlan,
    partition: Vec<ast::Expr>,
    order: Vec<OrderByExpr>,
    measures: Vec<Measure>,
    skip: Option<AfterMatchSkip>,
    variables: Vec<Quantified>,
    definitions: Vec<SymbolDefinition>,
    at: Location,
}

impl Clauses {
    fn plan(mut self, context: &mut dyn RelationPlannerContext) -> Result<MatchNode> {
        let names: Vec<String> = self.variables.iter().map(|v| v.name.clone()).collect();
        let skip = self.skip(&names)?;
        let within_ms = self.within(context)?;
        let schema = Arc::clone(self.input.schema());
        let partition = self.partition.iter().map(|expr| column(expr, &schema, context));
        let partition = partition.collect::<Result<Vec<_>>>()?;
        let order = self.order(&schema, context)?;
        let mut navigator = Navigator {
            time: order[0].expr.clone(),
            names,
            schema: Arc::clone(&schema),
            context,
            values: Vec::new(),
        };
        let conditions = self.conditions(&mut navigator)?;
        let mut fields = partition_fields(&partition, &schema)?;
        let measures = self.measures(&mut navigator, &mut fields)?;
        let fields = DFSchema::from_unqualified_fields(fields.into(), std::collections::HashMap::new())?;
        let variables = self
            .variables
            .into_iter()
            .zip(conditions)
            .map(|(quantified, condition)| MatchVariable {
                quantified,
                condition,
            });
        Ok(MatchNode {
            variables: variables.collect(),
            values: navigator.values,
            input: self.input,
            partition,
            order,
            measures,
            skip,
            within_ms,
            schema: Arc::new(fields),
            at: (self.at.line, self.at.column),
        })
    }

    fn skip(&self, names: &[String]) -> Result<Skip> {
        let position = |name: &Ident| {
            let known = names.iter().position(|n| *n == name.value);
            known.ok_or_else(|| external(unknown_variable(name, names)))
        };
        Ok(match &self.skip {
            // As in Flink, and other than in other databases.
            None | Some(AfterMatchSkip::ToNextRow) => Skip::ToNextRow,
            Some(AfterMatchSkip::PastLastRow) => Skip::PastLastRow,
            Some(AfterMatchSkip::ToFirst(name)) => Skip::ToFirst(position(name)?),
            Some(AfterMatchSkip::ToLast(name)) => Skip::ToLast(position(name)?),
        })
    }

    fn within(&mut self, context: &mut dyn RelationPlannerContext) -> Result<Option<i64>> {
        if self.definitions.first().is_none_or(|d| d.symbol.value != WITHIN) {
            return Ok(None);
        }
        let interval = self.definitions.remove(0).definition;
        let at = place(interval.span(), self.at);
        let ms = constant_ms(interval, context)?.filter(|ms| *ms > 0);
        ms.map(Some).ok_or_else(|| {
            external(error::invalid(
                at,
                "WITHIN takes a constant interval of days or less: WITHIN INTERVAL '1' HOUR",
            ))
        })
    }

    fn order(&self, schema: &DFSchemaRef, context: &mut dyn RelationPlannerContext) -> Result<Vec<SortExpr>> {
        let by = |by: &OrderByExpr, context: &mut dyn RelationPlannerContext| {
            let asc = by.options.asc.unwrap_or(true);
            // Flink's nulls are less than everything.
            let nulls_first = by.options.nulls_first.unwrap_or(asc);
            Ok(SortExpr::new(
                column(&by.expr, schema, context)?,
                asc,
                nulls_first,
            ))
        };
        let order = self
            .order
            .iter()
            .map(|o| by(o, context))
            .collect::<Result<Vec<_>>>()?;
        if order.first().is_some_and(|first| first.asc) {
            return Ok(order);
        }
        let at = self
            .order
            .first()
            .map_or(self.at, |by| place(by.expr.span(), self.at));
        refuse(error::invalid(
            at,
            "MATCH_RECOGNIZE takes rows in the order of their time: write ORDER BY with a time column first, ascending",
        ))
    }

    /// The condition of each variable.
    fn conditions(&self, navigator: &mut Navigator<'_>) -> Result<Vec<Option<Expr>>> {
        let mut conditions = vec![None; navigator.names.len()];
        for SymbolDefinition { symbol, definition } in &self.definitions {
            let at = place(symbol.span, self.at);
            let Some(variable) = navigator.names.iter().position(|n| *n == symbol.value) else {
                return refuse(unknown_variable(symbol, &navigator.names));
            };
            let (condition, data_type) = navigator
                .plan(definition, false)
                .map_err(|e| placed(e, place(definition.span(), at)))?;
            if data_type != DataType::Boolean {
                return refuse(error::type_error(
                    place(definition.span(), at),
                    format!("the condition of '{}' is no BOOLEAN", symbol.value),
                ));
            }
            if conditions[variable].replace(condition).is_some() {
                return refuse(error::invalid(at, format!("'{}' is defined twice", symbol.value)));
            }
        }
        Ok(conditions)
    }

    /// The measures, whose columns come behind those that are there.
    fn measures(&self, navigator: &mut Navigator<'_>, fields: &mut Vec<Field>) -> Result<Vec<Expr>> {
        let mut measures = Vec::with_capacity(self.measures.len());
        for Measure { expr, alias } in &self.measures {
            let at = place(alias.span, self.at);
            if fields.iter().any(|f| *f.name() == alias.value) {
                return refuse(error::invalid(
                    at,
                    format!(
                        "there are two columns named '{}': rename one with AS",
                        alias.value
                    ),
                ));
            }
            let (measure, data_type) = if is_proctime(expr) {
                let call = proctime::call();
                let data_type = call.get_type(&DFSchema::empty())?;
                (call, data_type)
            } else {
                navigator
                    .plan(expr, true)
                    .map_err(|e| placed(e, place(expr.span(), at)))?
            };
            fields.push(Field::new(&alias.value, data_type, true));
            measures.push(measure);
        }
        Ok(measures)
    }
}

/// Whether a measure is MATCH_PROCTIME().
fn is_proctime(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Function(function) if is_named(function, PROCTIME))
}

/// A column that a clause names.
fn column(expr: &ast::Expr, schema: &DFSchemaRef, context: &mut dyn RelationPlannerContext) -> Result<Expr> {
    let at = place(expr.span(), NOWHERE);
    let planned = context.sql_to_expr(expr.clone(), schema)?;
    match super::without_aliases(planned)? {
        column @ Expr::Column(_) => Ok(column),
        _ => refuse(error::unsupported(
            at,
            "PARTITION BY and ORDER BY of MATCH_RECOGNIZE take columns: compute them in a view",
        )),
    }
}

fn partition_fields(partition: &[Expr], schema: &DFSchemaRef) -> Result<Vec<Field>> {
    let fields = partition.iter().map(|expr| {
        let (_, field) = expr.to_field(schema.as_ref())?;
        Ok(field.as_ref().clone())
    });
    fields.collect()
}

fn unknown_variable(name: &Ident, names: &[String]) -> Problem {
    let at = place(name.span, NOWHERE);
    error::unknown(
        at,
        "variable in the pattern",
        &name.value,
        names.iter().map(String::as_str),
    )
}

/// The error with its place, at this one if it has none.
fn placed(error: DataFusionError, at: Location) -> DataFusionError {
    external(error::of_datafusion(error, at))
}

fn external(problem: Problem) -> DataFusionError {
    DataFusionError::External(Box::new(problem))
}

fn refuse<T>(problem: Problem) -> Result<T> {
    Err(external(problem))
}
