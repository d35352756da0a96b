//! Queries as logical plans: DataFusion's SQL planner over the script's catalog, with Flink's functions, types and windows.
//!
//! - [`functions`]: the functions that run. Leans on nothing.
//! - [`aggregates`]: the aggregate functions with Flink's result types. Leans on nothing.
//! - [`user`]: the functions that a script creates. Leans on nothing.
//! - [`operators`]: operators that Flink computes otherwise than DataFusion. Leans on nothing.
//! - [`window`]: the window functions in FROM, and their plan node. Leans on nothing.
//! - [`unnest`]: UNNEST in FROM, and its plan node. Leans on nothing.
//! - [`set_operation`]: INTERSECT ALL and EXCEPT ALL. Leans on `aggregates` and `unnest`.
//! - [`match_recognize`]: patterns in FROM, and their plan node. Leans on `window`.
//! - [`ranking`]: ROW_NUMBER. Leans on nothing.
//! - [`hints`]: tables with other options, inputs that are kept for a time. Leans on nothing.
//! - [`lookup_hint`]: how a lookup join asks. Leans on nothing.
//! - [`temporal`]: joins as of a time, and their plan node. Leans on nothing.
//! - [`over`]: other functions OVER a window. Leans on nothing.
//! - [`context`]: what DataFusion's planner asks for. Leans on all of the above and on the catalog.
//! - [`proctime`]: functions that the runtime answers. Leans on `functions`.
//! - [`volatile`]: conditions on the clock and on chance. Leans on nothing.
//! - [`optimize`]: plans with joins and subqueries, made ready to be lowered. Leans on nothing.
//! - [`subquery`]: subqueries made ready for the rules that make joins of them. Leans on `aggregates` and `ranking`.
//! - [`simplify`]: one expression, made as cheap as it can be. Leans on nothing.

pub(crate) mod aggregates;
pub(crate) mod context;
pub(crate) mod functions;
pub(crate) mod hints;
pub(crate) mod lookup_hint;
pub(crate) mod match_recognize;
pub(crate) mod operators;
mod optimize;
pub(crate) mod over;
pub(crate) mod proctime;
pub(crate) mod ranking;
mod set_operation;
pub(crate) mod simplify;
mod subquery;
pub(crate) mod temporal;
pub(crate) mod unnest;
pub(crate) mod user;
mod volatile;
pub(crate) mod window;

use std::sync::Arc;

use arrow_schema::{DataType, FieldRef, SchemaRef};
use datafusion_common::{
    Column, DFSchema, DataFusionError,
    tree_node::{Transformed, TreeNode, TreeNodeRecursion},
};
use datafusion_expr::{Cast, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion_optimizer::analyzer::{
    AnalyzerRule, resolve_grouping_function::ResolveGroupingFunction, type_coercion::TypeCoercion,
};
use datafusion_sql::planner::{NullOrdering, ParserOptions, PlannerContext, SqlToRel};
use sqlparser::ast::{self, SelectItem, SetExpr, Spanned};
use weir_connector::Secrets;
use weir_model::{ErrorCode, Location, Problem};

use self::context::Context;
use crate::{
    catalog::Catalog,
    encode,
    error::{self, Result, place},
    parse::{ddl::CreateView, desugar, supported},
};

/// Plans queries and expressions against a catalog.
pub(crate) struct Session<'a> {
    context: Context<'a>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(catalog: &'a Catalog) -> Self {
        Self {
            context: Context::new(catalog),
        }
    }

    /// What tables may name by `${secret:name}`.
    pub(crate) fn secrets(&self) -> &Arc<Secrets> {
        self.context.catalog().secrets()
    }

    /// The plan of a query, types coerced. Errors without a place of their own are at `at`.
    pub(crate) fn query(&self, query: &ast::Query, at: Location) -> Result<LogicalPlan> {
        user::check_calls(query, self.context.catalog(), true, at)?;
        let mut query = query.clone();
        desugar::query(&mut query, at)?;
        self.context.read_hints(&query)?;
        self.plan(&query).map_err(|e| {
            if let Some(problem) = self.context.take_problem() {
                let place = field_place(&query, &problem_field(&problem)).unwrap_or(at);
                return problem.at(place);
            }
            let place = if e.diagnostic().is_none_or(|d| d.span.is_none()) {
                self.culprit(&query, at)
            } else {
                at
            };
            error::of_datafusion(e, place)
        })
    }

    /// The plan of a view, with the names that it gives to its columns.
    pub(crate) fn view(&self, view: &CreateView) -> Result<LogicalPlan> {
        let plan = self.query(&view.query, view.at)?;
        if view.columns.is_empty() {
            return Ok(plan);
        }
        let given = plan.schema().columns();
        if given.len() != view.columns.len() {
            return Err(error::invalid(
                view.name.at,
                format!(
                    "the view names {} columns, its query has {}",
                    view.columns.len(),
                    given.len()
                ),
            ));
        }
        let renamed = given
            .into_iter()
            .zip(&view.columns)
            .map(|(column, name)| Expr::Column(column).alias(&name.value));
        LogicalPlanBuilder::from(plan)
            .project(renamed)
            .and_then(LogicalPlanBuilder::build)
            .map_err(|e| error::of_datafusion(e, view.name.at))
    }

    fn plan(&self, query: &ast::Query) -> std::result::Result<LogicalPlan, DataFusionError> {
        let statement = ast::Statement::Query(Box::new(query.clone()));
        let plan = self.planner().sql_statement_to_plan(statement)?;
        let plan = set_operation::expand_all(plan)?;
        let plan = ResolveGroupingFunction::new().analyze(plan, self.context.config())?;
        let plan = TypeCoercion::new().analyze(plan, self.context.config())?;
        optimize::optimize(temporal::joins(plan)?)
    }

    /// Where the expression stands that keeps the query from being planned: found by leaving others out.
    fn culprit(&self, query: &ast::Query, at: Location) -> Location {
        let SetExpr::Select(select) = query.body.as_ref() else {
            return at;
        };
        let with_items = |items: Vec<SelectItem>| {
            let mut select = select.clone();
            select.projection = items;
            let mut query = query.clone();
            *query.body = SetExpr::Select(select);
            self.plan(&query).is_ok()
        };
        let one = SelectItem::UnnamedExpr(ast::Expr::value(ast::Value::Number("1".into(), false)));
        if !with_items(vec![one]) {
            let condition = select.selection.as_ref().or(select.having.as_ref());
            return condition.map_or(at, |expr| place(expr.span(), at));
        }
        let wrong = select
            .projection
            .iter()
            .find(|item| !with_items(vec![(*item).clone()]));
        wrong.map_or(at, |item| place(item.span(), at))
    }

    /// An expression over the columns of a schema, types coerced, with the field of its result.
    pub(crate) fn expr(
        &self,
        expr: &ast::Expr,
        schema: &SchemaRef,
        at: Location,
    ) -> Result<(Expr, FieldRef)> {
        supported::check_expr(expr, at, &self.context.user_functions())?;
        user::check_calls(expr, self.context.catalog(), false, at)?;
        let mut expr = expr.clone();
        desugar::desugar(&mut expr, at)?;
        let planned = self.plan_expr(&expr, schema);
        planned.map_err(|e| match self.context.take_problem() {
            Some(problem) => problem.at(place(expr.span(), at)),
            None => error::of_datafusion(e, place(expr.span(), at)),
        })
    }

    fn plan_expr(
        &self,
        expr: &ast::Expr,
        schema: &SchemaRef,
    ) -> std::result::Result<(Expr, FieldRef), DataFusionError> {
        let schema = DFSchema::try_from(schema.as_ref().clone())?;
        let expr = self
            .planner()
            .sql_to_expr(expr.clone(), &schema, &mut PlannerContext::new())?;
        let expr = simplify::coerce_and_simplify(without_aliases(expr)?, &Arc::new(schema.clone()))?;
        let (_, field) = expr.to_field(&schema)?;
        if proctime::reads_watermark(&expr) {
            let detail = "CURRENT_WATERMARK can stand in queries only: rows have no watermark before their table gives it to them";
            let problem = Problem::new(ErrorCode::SqlUnsupported, detail);
            return Err(DataFusionError::External(Box::new(problem)));
        }
        let checked = encode::check(&expr, schema.as_arrow());
        checked.map_err(|problem| DataFusionError::External(Box::new(problem)))?;
        Ok((expr, field))
    }

    fn planner(&self) -> SqlToRel<'_, Context<'a>> {
        let options = ParserOptions::new()
            .with_parse_float_as_decimal(true)
            .with_enable_ident_normalization(false)
            .with_map_string_types_to_utf8view(false)
            // Flink's nulls are less than everything.
            .with_default_null_ordering(NullOrdering::NullsMin)
            .with_collect_spans(true);
        SqlToRel::new_with_options(&self.context, options)
    }
}

/// The name in single quotes that a problem is about.
fn problem_field(problem: &Problem) -> String {
    problem.detail.split('\'').nth(1).unwrap_or_default().to_owned()
}

/// Where a compound name that has this part stands.
fn field_place(query: &ast::Query, field: &str) -> Option<Location> {
    let mut found = None;
    let _ = sqlparser::ast::visit_expressions(query, |expr| {
        if let ast::Expr::CompoundIdentifier(parts) = expr
            && let Some(part) = parts.iter().find(|part| part.value == field)
        {
            found = Some(Location {
                line: part.span.start.line,
                column: part.span.start.column,
            });
            return std::ops::ControlFlow::Break(());
        }
        std::ops::ControlFlow::Continue(())
    });
    found.filter(|at| at.line > 0)
}

/// The expression as another type; itself if it has it already.
pub(crate) fn cast_to(expr: Expr, from: &DataType, to: &DataType) -> Expr {
    if from == to {
        expr
    } else {
        Expr::Cast(Cast::new(Box::new(expr), to.clone()))
    }
}

/// Where the first column of an expression stands in the SQL.
pub(crate) fn expr_place(expr: &Expr) -> Option<Location> {
    let mut found = None;
    let walked = expr.apply(|e| {
        if let Expr::Column(Column { spans, .. }) = e
            && let Some(span) = spans.first()
        {
            found = Some(Location {
                line: span.start.line,
                column: span.start.column,
            });
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.ok().and(found)
}

/// The expression without the names that were given to it and its parts.
pub(crate) fn without_aliases(expr: Expr) -> std::result::Result<Expr, DataFusionError> {
    let transformed = expr.transform_up(|e| match e {
        Expr::Alias(alias) => Ok(Transformed::yes(*alias.expr)),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(transformed.data)
}
