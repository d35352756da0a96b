//! The time at which rows pass, and other functions that the runtime answers: where they may stand, and rows that get their time.

use arrow_schema::{DataType, Field, TimeUnit};
use datafusion_common::{
    DFSchema,
    tree_node::{TreeNode, TreeNodeRecursion},
};
use datafusion_expr::Expr;
use weir_connector::changelog::OP_COLUMN;
use weir_model::Location;

use super::{
    Kind, NodeId, Operators,
    lower::{Lower, Rel, RelColumn, Role, role},
    schema_of,
    window::ProcessingTime,
};
use crate::{
    error::{self, Result, plan_defect},
    logical::{expr_place, proctime},
};

/// TIMESTAMP_LTZ(3), the type of processing time.
pub(super) fn passing_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// A column that is the time at which rows pass.
pub(super) fn passing_column(name: String) -> RelColumn {
    RelColumn {
        name,
        expr: proctime::call(),
        role: Role::ProcessingTime,
    }
}

impl Lower<'_> {
    /// Whether an expression over a plan's columns is the time at which rows pass.
    #[allow(clippy::unused_self, reason = "said of the rows at hand")]
    pub(super) fn is_passing(&self, expr: &Expr, input: &Rel, from: &DFSchema) -> bool {
        role(expr, input, from) == Role::ProcessingTime
    }

    /// Rows with the time at which they pass as their last column; watermarks behind them speak of it.
    pub(super) fn stamped(
        &mut self,
        input: NodeId,
        (name, data_type): (String, DataType),
        tick_ms: i64,
        offset_ms: i64,
    ) -> Result<NodeId> {
        let fields = self.operators.get(input).schema.fields().iter();
        let stamp = Field::new(name, data_type, false);
        let schema = schema_of(fields.map(|f| f.as_ref().clone()).chain([stamp]).collect())?;
        let uid = self.uid("processing-time");
        let time = ProcessingTime {
            input,
            tick_ms,
            offset_ms,
        };
        Ok(self.operators.push(uid, Kind::ProcessingTime(time), schema))
    }
}

/// Refuses CURRENT_WATERMARK of what no watermark speaks of.
pub(super) fn check_watermarks(expr: &Expr, rel: &Rel, from: &DFSchema, at: Location) -> Result<()> {
    let mut wrong = None;
    expr.apply(|e| {
        if let Some(time) = proctime::watermark_of(e)
            && !role(time, rel, from).is_event_time()
        {
            wrong = Some(expr_place(time).unwrap_or(at));
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(plan_defect)?;
    match wrong {
        None => Ok(()),
        Some(at) => Err(error::invalid(
            at,
            "CURRENT_WATERMARK takes an event-time column: one with a WATERMARK FOR in its CREATE TABLE, passed on unchanged",
        )),
    }
}

/// Refuses operators that would take back rows by values that are others each time they are computed.
pub(crate) fn check_changes(operators: &Operators, at: Location) -> Result<()> {
    for (id, node) in operators.iter() {
        let Kind::Calc(calc) = &node.kind else { continue };
        let input = operators.get(calc.input).schema.fields();
        let is_changelog = input.last().is_some_and(|field| field.name() == OP_COLUMN);
        if is_changelog && !node.kind.is_deterministic() && reaches_state(operators, id) {
            return Err(error::unsupported(
                at,
                "a changing result is given values of the clock or of chance, and what aggregates, joins or ranks it would not find its \
                 rows again: compute such values before the result changes, or last",
            ));
        }
    }
    Ok(())
}

/// Whether an operator's rows come to one that keeps them.
fn reaches_state(operators: &Operators, id: NodeId) -> bool {
    operators
        .consumers(id)
        .into_iter()
        .any(|consumer| match &operators.get(consumer).kind {
            Kind::Calc(_) | Kind::Unnest(_) | Kind::Union(_) => reaches_state(operators, consumer),
            Kind::Sink(_) | Kind::Gone => false,
            _ => true,
        })
}
