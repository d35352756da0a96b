//! What comes out of a match.

use arrow_schema::{Field, Schema};
use datafusion_expr::Expr;

use super::{Of, OverMatch, Rows, Value};
use crate::{
    error::Result,
    logical::{
        match_recognize::{MatchValue, ValueKind, value_number},
        proctime,
    },
    physical::{
        expr::column,
        lower::{RelColumn, Role},
    },
};

/// A column of the result; and as the operator's own one, which it is not if it is the processing time.
pub(super) type Measured = (RelColumn, Option<Field>);

/// What comes out of a match: the keys as its last row has them, then the measures; and the columns of the result, with the
/// operator's own ones.
pub(super) fn measures(rows: &Rows<'_>, keys: &[usize]) -> Result<(OverMatch, Vec<Measured>)> {
    let node = rows.node;
    let (mut exprs, mut columns) = (Vec::new(), Vec::new());
    let measures = node.measures.iter().cloned();
    let names = node
        .schema
        .fields()
        .iter()
        .zip(keys.iter().map(|_| None).chain(measures.map(Some)));
    for (field, measure) in names {
        let name = field.name().clone();
        let (role, expr) = match &measure {
            Some(call) if proctime::is_call(call) => (Role::ProcessingTime, call.clone()),
            Some(measure) if is_rowtime(measure, &node.values) => (Role::EventTime, column(&name)),
            _ => (Role::Plain, column(&name)),
        };
        let own = (role != Role::ProcessingTime).then(|| field.as_ref().clone());
        if let Some(measure) = measure.filter(|_| own.is_some()) {
            exprs.push((name.clone(), measure));
        }
        columns.push((RelColumn { name, expr, role }, own));
    }
    let mut measures = rows.over_match(exprs)?;
    let named = columns.iter().filter_map(|(_, own)| own.as_ref());
    add_keys(&mut measures, keys.iter().zip(named));
    Ok((measures, columns))
}

/// Puts the keys, as columns of these names and types, before the measures.
fn add_keys<'a>(measures: &mut OverMatch, keys: impl Iterator<Item = (&'a usize, &'a Field)>) {
    let mut exprs = Vec::new();
    let mut fields = measures.schema.fields().to_vec();
    for (key, own) in keys {
        let value = format!("$key{}", exprs.len());
        measures.values.push(Value {
            variable: None,
            kind: Of::Last(0, *key),
        });
        fields.push(Field::new(&value, own.data_type().clone(), true).into());
        exprs.push((own.name().clone(), column(&value)));
    }
    exprs.append(&mut measures.exprs);
    measures.exprs = exprs;
    measures.schema = Schema::new(fields);
}

/// Whether a measure is MATCH_ROWTIME(), passed on unchanged.
fn is_rowtime(measure: &Expr, values: &[MatchValue]) -> bool {
    let value = match measure {
        Expr::Column(column) => value_number(&column.name).and_then(|number| values.get(number)),
        _ => None,
    };
    value.is_some_and(|value| matches!(value.kind, ValueKind::Rowtime(_)))
}
