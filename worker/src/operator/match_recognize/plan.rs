//! What the job graph says of a pattern, decoded.

use arrow_schema::{DataType, SchemaRef};
use weir_model::Failure;
use weir_proto::graph::{self, match_skip};

use super::{
    nfa::{MAX_VARIABLES, Pattern, Variable},
    runs::{Rules, Skip},
    values::Values,
};
use crate::expression::{Expression, Projection};

/// A pattern, its conditions and what comes out of a match.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) keys: Vec<usize>,
    pub(super) rules: Rules,
    /// The name of each variable.
    pub(super) names: Vec<String>,
    /// Per variable, what a row must fulfil whatever the rows before it are: a BOOLEAN column.
    pub(super) columns: Vec<Option<usize>>,
    /// Per variable, what it must fulfil beyond that.
    pub(super) conditions: Vec<Option<Condition>>,
    /// The variables that have such a condition.
    pub(super) look_back: u64,
    /// The variables that may take the first row of a match.
    pub(super) begins: u64,
    /// What the output is computed from.
    pub(super) measured: Values,
    pub(super) measures: Projection,
}

/// A condition that looks back at the rows of a partial match.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) values: Values,
    pub(super) expression: Expression,
}

impl Plan {
    pub(super) fn decode(
        spec: &graph::MatchRecognize,
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let keys: Vec<usize> = spec.keys.iter().map(|k| *k as usize).collect();
        let columns: Vec<Option<usize>> = spec
            .variables
            .iter()
            .map(|v| v.column.map(|c| c as usize))
            .collect();
        check(spec, input, &keys, &columns)?;
        let conditions = spec.variables.iter().map(|v| v.condition.as_ref());
        let conditions = conditions.map(|c| c.map(|c| Condition::decode(c, input)).transpose());
        let conditions: Vec<_> = conditions.collect::<Result<_, _>>()?;
        let look_back = (0..).zip(&conditions).filter(|(_, c)| c.is_some());
        let measures = spec.measures.as_ref();
        let measures = measures.ok_or_else(|| Failure::internal("a pattern without measures"))?;
        let measured = Values::decode(&measures.values, &measures.schema, input)?;
        let variables: Vec<Variable> = spec.variables.iter().map(variable).collect();
        let optional = variables.iter().take_while(|v| v.min == 0).count();
        Ok(Self {
            keys,
            names: spec.variables.iter().map(|v| v.name.clone()).collect(),
            columns,
            look_back: look_back.fold(0, |bits, (v, _): (u32, _)| bits | 1 << v),
            conditions,
            begins: (0..=optional).fold(0, |bits, v| bits | 1 << v),
            rules: Rules {
                pattern: Pattern::new(variables),
                skip: skip(spec)?,
                within_ms: (spec.within_ms > 0).then_some(spec.within_ms),
                max_runs: spec.max_partial_matches as usize,
            },
            measures: Projection::decode(&measures.expressions, measured.schema(), output)?,
            measured,
        })
    }
}

impl Condition {
    fn decode(spec: &graph::MatchExpressions, input: &SchemaRef) -> Result<Self, Failure> {
        let values = Values::decode(&spec.values, &spec.schema, input)?;
        let [condition] = spec.expressions.as_slice() else {
            return Err(Failure::internal("a variable of a pattern has one condition"));
        };
        let expression = Expression::decode(&condition.expr, values.schema())?;
        if expression.field().data_type() != &DataType::Boolean {
            return Err(Failure::internal("the condition of a variable is no BOOLEAN"));
        }
        Ok(Self { values, expression })
    }
}

fn variable(spec: &graph::MatchVariable) -> Variable {
    Variable {
        min: spec.min,
        max: spec.max.unwrap_or(u32::MAX),
        is_greedy: spec.greedy,
    }
}

fn skip(spec: &graph::MatchRecognize) -> Result<Skip, Failure> {
    use match_skip::To;
    let to = spec.skip.as_ref().and_then(|skip| skip.to.as_ref());
    let known = |v: u32| {
        let v = v as usize;
        (v < spec.variables.len())
            .then_some(v)
            .ok_or_else(|| Failure::internal(format!("a skip to variable {v}, which does not exist")))
    };
    Ok(match to {
        None | Some(To::NextRow(_)) => Skip::ToNextRow,
        Some(To::PastLastRow(_)) => Skip::PastLastRow,
        Some(To::First(v)) => Skip::ToFirst(known(*v)?),
        Some(To::Last(v)) => Skip::ToLast(known(*v)?),
    })
}

fn check(
    spec: &graph::MatchRecognize,
    input: &SchemaRef,
    keys: &[usize],
    columns: &[Option<usize>],
) -> Result<(), Failure> {
    let fields = input.fields();
    let is_bool = |c: &usize| {
        fields
            .get(*c)
            .is_some_and(|f| f.data_type() == &DataType::Boolean)
    };
    let values = spec
        .variables
        .iter()
        .filter_map(|v| v.condition.as_ref())
        .chain(&spec.measures);
    let mut named = values.flat_map(|e| &e.values).filter_map(|value| value.variable);
    let fits = keys.iter().all(|k| *k < fields.len())
        && spec.order.iter().all(|by| (by.column as usize) < fields.len())
        && columns.iter().flatten().all(is_bool)
        && named.all(|v| (v as usize) < spec.variables.len())
        && spec
            .variables
            .iter()
            .all(|v| v.max != Some(0) && v.max.is_none_or(|max| max >= v.min));
    if !fits || spec.variables.len() > MAX_VARIABLES || spec.variables.iter().all(|v| v.min == 0) {
        return Err(Failure::internal("a pattern that does not fit its input"));
    }
    Ok(())
}
