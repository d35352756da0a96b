//! Rows multiplied by what is in them: UNNEST in FROM, and its plan node.

use std::{cmp::Ordering, collections::HashMap, collections::HashSet, fmt, sync::Arc};

use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{DFSchema, DFSchemaRef, DataFusionError, Result, TableReference, internal_err};
use datafusion_expr::{
    Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore,
    planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
};
use sqlparser::ast::{Spanned, TableFactor};
use weir_model::{Location, Problem};
use weir_proto::convert::sql_type;

use crate::{
    error::{self, place},
    parse::unnest::{self, Call},
};

/// The rows of the input, each as often as an expression over it says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UnnestNode {
    /// The rows.
    pub input: LogicalPlan,
    /// An ARRAY or a MAP, once per element; or a BIGINT, so many times.
    pub by: Expr,
    /// Whether rows without elements stay, with nulls.
    pub outer: bool,
    /// The columns that are added: those of an element, and its place if that is asked for.
    pub added: Vec<(Option<TableReference>, FieldRef)>,
    /// The input's columns, then those added.
    pub schema: DFSchemaRef,
}

impl PartialOrd for UnnestNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UnnestNode {
    fn try_new(
        input: LogicalPlan,
        by: Expr,
        outer: bool,
        added: Vec<(Option<TableReference>, FieldRef)>,
    ) -> Result<Self> {
        let own = input.schema().iter().map(|(q, f)| (q.cloned(), Arc::clone(f)));
        let fields = own.chain(added.iter().cloned()).collect();
        let schema = Arc::new(DFSchema::new_with_metadata(fields, HashMap::new())?);
        Ok(Self {
            input,
            by,
            outer,
            added,
            schema,
        })
    }

    /// The rows of a plan, each as often as a BIGINT over it says.
    pub(crate) fn repeat(input: LogicalPlan, times: Expr) -> Result<LogicalPlan> {
        let node = Self::try_new(input, times, false, Vec::new())?;
        Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
    }
}

// The trait ties the name to the node.
#[allow(clippy::unnecessary_literal_bound)]
impl UserDefinedLogicalNodeCore for UnnestNode {
    fn name(&self) -> &str {
        "Unnest"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![self.by.clone()]
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.added.iter().map(|(_, field)| field.name().clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unnest: {}", self.by)
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (Some(by), Some(input)) = (exprs.pop(), inputs.pop()) else {
            return internal_err!("an unnest has one expression and one input");
        };
        Self::try_new(input, by, self.outer, self.added.clone())
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let own = self.input.schema().fields().len();
        Some(vec![
            output_columns.iter().copied().filter(|i| *i < own).collect(),
        ])
    }
}

/// Plans UNNEST in FROM.
#[derive(Debug)]
pub(crate) struct UnnestTables;

impl RelationPlanner for UnnestTables {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let call = match unnest::call(relation) {
            Ok(call) => call,
            Err(other) => return Ok(RelationPlanning::Original(other)),
        };
        let plan = plan(call, context)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, None,
        ))))
    }
}

fn plan(call: Call, context: &mut dyn RelationPlannerContext) -> Result<LogicalPlan> {
    const NOWHERE: Location = Location { line: 1, column: 1 };
    let at = place(call.elements.span(), NOWHERE);
    let input = match call.input {
        Some(table) => context.plan(table)?,
        None => LogicalPlanBuilder::empty(true).build()?,
    };
    let by = context.sql_to_expr(call.elements, input.schema())?;
    let data_type = by.get_type(input.schema())?;
    let Some(mut fields) = columns_of(&data_type) else {
        return refuse(error::type_error(
            at,
            format!("UNNEST takes an ARRAY or a MAP, not {}", sql_type(&data_type)),
        ));
    };
    if call.ordinality {
        fields.push(Field::new("ORDINALITY", DataType::Int32, false));
    }
    let mut qualifier = None;
    if let Some(alias) = call.alias {
        let at = place(alias.name.span, at);
        qualifier = Some(TableReference::bare(alias.name.value.clone()));
        let mut names: Vec<String> = alias.columns.into_iter().map(|c| c.name.value).collect();
        if names.is_empty() && fields.len() == 1 {
            names.push(alias.name.value);
        }
        fields = renamed(fields, names, at)?;
    }
    let nullable = |field: Field| {
        let nullable = field.is_nullable() || call.outer;
        Arc::new(field.with_nullable(nullable))
    };
    let added = fields
        .into_iter()
        .map(|f| (qualifier.clone(), nullable(f)))
        .collect();
    let node = Arc::new(UnnestNode::try_new(input, by, call.outer, added)?);
    let plan = LogicalPlan::Extension(Extension { node });
    let Some(condition) = call.condition else {
        return Ok(plan);
    };
    let condition = context.sql_to_expr(condition, plan.schema())?;
    LogicalPlanBuilder::from(plan).filter(condition)?.build()
}

fn renamed(fields: Vec<Field>, names: Vec<String>, at: Location) -> Result<Vec<Field>> {
    if names.is_empty() {
        return Ok(fields);
    }
    if names.len() != fields.len() {
        return refuse(error::invalid(
            at,
            format!(
                "UNNEST gives {} columns here, {} are named",
                fields.len(),
                names.len()
            ),
        ));
    }
    let renamed = fields
        .into_iter()
        .zip(names)
        .map(|(field, name)| field.with_name(name));
    Ok(renamed.collect())
}

/// The columns of an element: of a row its fields, of a map's entry the key and the value.
fn columns_of(data_type: &DataType) -> Option<Vec<Field>> {
    match data_type {
        DataType::List(element) => Some(match element.data_type() {
            DataType::Struct(fields) => fields
                .iter()
                .map(|f| {
                    f.as_ref()
                        .clone()
                        .with_nullable(f.is_nullable() || element.is_nullable())
                })
                .collect(),
            other => vec![Field::new("EXPR$0", other.clone(), element.is_nullable())],
        }),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let named = ["KEY", "VALUE"].into_iter().zip(fields.iter());
                Some(
                    named
                        .map(|(name, f)| f.as_ref().clone().with_name(name))
                        .collect(),
                )
            }
            _ => None,
        },
        _ => None,
    }
}

fn refuse<T>(problem: Problem) -> Result<T> {
    Err(DataFusionError::External(Box::new(problem)))
}
