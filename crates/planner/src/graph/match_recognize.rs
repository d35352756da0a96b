//! Patterns in the graph that workers run.

use weir_proto::graph::{self, match_skip::To};

use super::{aggregate, sort_columns};
use crate::{
    encode,
    error::Result,
    logical::match_recognize::Skip,
    physical::match_recognize::{MatchRecognize, Of, OverMatch, Value, Variable},
};

/// The operator that finds a pattern, with so many partial matches of a key at most.
pub(super) fn spec(pattern: &MatchRecognize, max_partial_matches: u32) -> Result<graph::MatchRecognize> {
    let variables = pattern.variables.iter().map(variable);
    let to = match pattern.skip {
        Skip::PastLastRow => To::PastLastRow(graph::Forward {}),
        Skip::ToNextRow => To::NextRow(graph::Forward {}),
        Skip::ToFirst(variable) => To::First(variable as u32),
        Skip::ToLast(variable) => To::Last(variable as u32),
    };
    Ok(graph::MatchRecognize {
        keys: pattern.keys.iter().map(|key| *key as u32).collect(),
        time_column: pattern.time.map(|column| column as u32),
        order: sort_columns(&pattern.order),
        variables: variables.collect::<Result<_>>()?,
        skip: Some(graph::MatchSkip { to: Some(to) }),
        within_ms: pattern.within_ms.unwrap_or(0),
        measures: Some(over_match(&pattern.measures)?),
        max_partial_matches,
    })
}

fn variable(variable: &Variable) -> Result<graph::MatchVariable> {
    Ok(graph::MatchVariable {
        name: variable.name.clone(),
        min: variable.min,
        max: variable.max,
        greedy: variable.is_greedy,
        column: variable.column.map(|column| column as u32),
        condition: variable.condition.as_ref().map(over_match).transpose()?,
    })
}

fn over_match(expressions: &OverMatch) -> Result<graph::MatchExpressions> {
    Ok(graph::MatchExpressions {
        values: expressions.values.iter().map(value).collect::<Result<_>>()?,
        schema: encode::schema(&expressions.schema)?,
        expressions: encode::projection(&expressions.exprs, &expressions.schema)?,
    })
}

fn value(value: &Value) -> Result<graph::MatchValue> {
    let (from_first, offset, column, aggregate) = match &value.kind {
        Of::First(offset, column) => (true, *offset, *column, None),
        Of::Last(offset, column) => (false, *offset, *column, None),
        Of::Aggregate(call) => (false, 0, 0, Some(aggregate(call)?)),
    };
    Ok(graph::MatchValue {
        variable: value.variable.map(|variable| variable as u32),
        from_first,
        offset,
        column: column as u32,
        aggregate,
    })
}
