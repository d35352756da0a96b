//! The plan node of MATCH_RECOGNIZE.

use std::{cmp::Ordering, collections::HashSet, fmt};

use datafusion_common::{DFSchemaRef, Result, internal_err};
use datafusion_expr::{Expr, LogicalPlan, SortExpr, UserDefinedLogicalNodeCore};
use weir_model::Location;

use super::{navigate::MatchValue, pattern::Quantified};

/// One row per match of a pattern in the rows of each partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MatchNode {
    /// The rows.
    pub input: LogicalPlan,
    /// The partition's columns.
    pub partition: Vec<Expr>,
    /// The time, then what orders rows of one time.
    pub order: Vec<SortExpr>,
    /// What conditions and measures read of a match: columns of theirs by number.
    pub values: Vec<MatchValue>,
    /// The variables of the pattern in order.
    pub variables: Vec<MatchVariable>,
    /// What comes out of a match.
    pub measures: Vec<Expr>,
    /// Where matching goes on after a match.
    pub skip: Skip,
    /// The last row of a match comes less than this after its first one, ms.
    pub within_ms: Option<i64>,
    /// The partition's columns, then the measures.
    pub schema: DFSchemaRef,
    /// Where it stands.
    pub at: (u64, u64),
}

/// A variable of the pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MatchVariable {
    /// Its name and how many rows it takes.
    pub quantified: Quantified,
    /// What a row must fulfil that it takes.
    pub condition: Option<Expr>,
}

/// Where matching goes on after a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Skip {
    /// With the row after its last one.
    PastLastRow,
    /// With the row after its first one.
    ToNextRow,
    /// With the first row of a variable.
    ToFirst(usize),
    /// With the last row of a variable.
    ToLast(usize),
}

impl PartialOrd for MatchNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl MatchNode {
    /// Where it stands.
    pub(crate) fn place(&self) -> Location {
        Location {
            line: self.at.0,
            column: self.at.1,
        }
    }

    /// The pattern as it is written.
    pub(crate) fn pattern(&self) -> String {
        let variables = self
            .variables
            .iter()
            .map(|v| format!("{}{}", v.quantified.name, v.quantified.text));
        variables.collect::<Vec<_>>().join(" ")
    }
}

// The trait ties the name to the node.
#[allow(clippy::unnecessary_literal_bound)]
impl UserDefinedLogicalNodeCore for MatchNode {
    fn name(&self) -> &str {
        "MatchRecognize"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    /// Those over the input: what the conditions and measures are over is no plan's rows.
    fn expressions(&self) -> Vec<Expr> {
        let order = self.order.iter().map(|by| by.expr.clone());
        let values = self.values.iter().filter_map(MatchValue::expr).cloned();
        self.partition
            .iter()
            .cloned()
            .chain(order)
            .chain(values)
            .collect()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.schema.fields().iter().map(|f| f.name().clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MatchRecognize: {}", self.pattern())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut exprs = exprs.into_iter();
        let mut node = self.clone();
        let order = node.order.iter_mut().map(|by| &mut by.expr);
        let values = node.values.iter_mut().filter_map(MatchValue::expr_mut);
        for expr in node.partition.iter_mut().chain(order).chain(values) {
            let Some(new) = exprs.next() else {
                return internal_err!("a pattern lost an expression");
            };
            *expr = new;
        }
        let Some(input) = inputs.pop() else {
            return internal_err!("a pattern has one input");
        };
        node.input = input;
        Ok(node)
    }
}
