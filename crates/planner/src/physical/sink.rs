//! Rows as a sink's columns.

use std::{collections::HashMap, sync::Arc};

use arrow_schema::{DataType, FieldRef};
use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::{Expr, LogicalPlan};
use sqlparser::ast::{SelectItem, SetExpr, Spanned};
use weir_connector::changelog;
use weir_model::Location;
use weir_proto::convert::sql_type;

use super::{
    Kind, NodeId, Sink,
    lower::{Lower, Rel},
    schema_of, type_of,
};
use crate::{
    catalog::TableDef,
    error::{self, Result, place, plan_defect},
    logical::{cast_to, simplify},
    parse::Insert,
};

impl Lower<'_> {
    /// The operators of an INSERT, down to its sink.
    pub(crate) fn insert(
        &mut self,
        insert: &Insert,
        plan: &LogicalPlan,
        table: &Arc<TableDef>,
        constants: &HashMap<String, Expr>,
    ) -> Result<NodeId> {
        let mut targets = targets(insert, table)?;
        targets.retain(|target| !constants.contains_key(target.name()));
        let mut rel = self.plan(plan)?;
        if targets.len() != rel.columns.len() {
            return Err(self.wrong_count(insert, table, &targets, &rel)?);
        }
        let fields = table.table.schema.fields();
        let mut columns = Vec::with_capacity(fields.len());
        for field in fields {
            if let Some(constant) = constants.get(field.name()) {
                columns.push((field.name().clone(), constant_of(insert, constant, field)?));
                continue;
            }
            let mut expr = match targets.iter().position(|target| target.name() == field.name()) {
                Some(i) => self.stored(insert, &rel, i, field)?,
                None if field.is_nullable() => null(field.data_type())?,
                None => {
                    return Err(error::invalid(
                        insert.table.at,
                        format!(
                            "column '{}' of '{}' is NOT NULL: give it a value",
                            field.name(),
                            insert.table.value
                        ),
                    ));
                }
            };
            if let Some(length) = table.lengths.get(field.name()) {
                expr = self.fitted(expr, field, *length, insert)?;
            }
            columns.push((field.name().clone(), self.without_null(expr, field, &mut rel)?));
        }
        let updates = rel.updates.clone();
        let input = self.calc(rel, columns)?;
        let mut taken: Vec<_> = fields.iter().map(|f| f.as_ref().clone()).collect();
        taken.extend(updates.is_some().then(changelog::op_field));
        let schema = schema_of(taken)?;
        let sink = Sink {
            input,
            table: Arc::clone(table),
            updates,
            spread_by: Vec::new(),
        };
        let uid = self.scope.clone();
        Ok(self.operators.push(uid, Kind::Sink(sink), schema))
    }

    /// The query's column as the sink's.
    fn stored(&self, insert: &Insert, rel: &Rel, index: usize, field: &FieldRef) -> Result<Expr> {
        let column = &rel.columns[index];
        let from = type_of(&column.expr, &self.schema(rel))?;
        let to = field.data_type();
        if from != *to && !from.equals_datatype(to) && !stores(&from, to) {
            return Err(error::type_error(
                column_place(insert, index),
                format!(
                    "column '{}' of '{}' is {}, the query gives {} ('{}'): add a CAST",
                    field.name(),
                    insert.table.value,
                    sql_type(to),
                    sql_type(&from),
                    column.name,
                ),
            ));
        }
        let cast = if from != *to && from.is_nested() && to.is_nested() {
            retyped(column.expr.clone(), to)?
        } else {
            cast_to(column.expr.clone(), &from, to)
        };
        simplify::simplify(cast, &self.schema(rel)).map_err(plan_defect)
    }

    fn wrong_count(
        &self,
        insert: &Insert,
        table: &TableDef,
        targets: &[FieldRef],
        rel: &Rel,
    ) -> Result<weir_model::Problem> {
        let schema = self.schema(rel);
        let mut given = Vec::new();
        for column in &rel.columns {
            given.push(format!(
                "{} {}",
                column.name,
                sql_type(&type_of(&column.expr, &schema)?)
            ));
        }
        let wanted: Vec<_> = targets
            .iter()
            .map(|field| format!("{} {}", field.name(), sql_type(field.data_type())))
            .collect();
        Ok(error::type_error(
            insert.at,
            format!(
                "'{}' takes {} columns ({}), the query gives {} ({})",
                table.table.name,
                wanted.len(),
                wanted.join(", "),
                given.len(),
                given.join(", "),
            ),
        ))
    }
}

/// The value of a column that is the same for all rows.
fn constant_of(insert: &Insert, value: &Expr, field: &FieldRef) -> Result<Expr> {
    let none = Arc::new(DFSchema::empty());
    let from = type_of(value, &none)?;
    let cast = cast_to(value.clone(), &from, field.data_type());
    simplify::simplify(cast, &none).map_err(|e| error::of_datafusion(e, insert.table.at))
}

/// The columns that an INSERT fills, in its order.
fn targets(insert: &Insert, table: &TableDef) -> Result<Vec<FieldRef>> {
    let fields = table.table.schema.fields();
    if insert.columns.is_empty() {
        return Ok(fields.iter().cloned().collect());
    }
    let mut targets: Vec<FieldRef> = Vec::new();
    for name in &insert.columns {
        let Some((_, field)) = fields.find(&name.value) else {
            if table.columns.iter().any(|c| c.name == name.value) {
                return Err(error::invalid(
                    name.at,
                    format!("column '{}' is computed: leave it out", name.value),
                ));
            }
            return Err(error::unknown(
                name.at,
                "column",
                &name.value,
                fields.iter().map(|f| f.name().as_str()),
            ));
        };
        if targets.iter().any(|t| t.name() == field.name()) {
            return Err(error::invalid(
                name.at,
                format!("column '{}' is named twice", name.value),
            ));
        }
        targets.push(Arc::clone(field));
    }
    Ok(targets)
}

/// Where the query's n-th column stands.
fn column_place(insert: &Insert, index: usize) -> Location {
    let SetExpr::Select(select) = insert.query.body.as_ref() else {
        return insert.at;
    };
    let before = &select.projection[..=index.min(select.projection.len().saturating_sub(1))];
    let is_wildcard =
        |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    match before.last() {
        Some(item) if !before.iter().any(is_wildcard) => place(item.span(), insert.at),
        _ => insert.at,
    }
}

/// A value that nests as another type of the same shape.
fn retyped(expr: Expr, to: &DataType) -> Result<Expr> {
    let function = weir_functions::function("$RETYPED");
    let function = function.ok_or_else(|| error::internal("no function gives rows other names"))?;
    Ok(function.call(vec![expr, null(to)?]))
}

fn null(data_type: &DataType) -> Result<Expr> {
    let value = ScalarValue::try_from(data_type).map_err(plan_defect)?;
    Ok(Expr::Literal(value, None))
}

fn stores_or_is(from: &DataType, to: &DataType) -> bool {
    from == to || stores(from, to)
}

/// Whether Flink stores a value of the type in a column of the other without being asked to cast.
pub(super) fn stores(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    let integer = |t: &T| match t {
        T::Int8 => Some(1),
        T::Int16 => Some(2),
        T::Int32 => Some(3),
        T::Int64 => Some(4),
        _ => None,
    };
    match (from, to) {
        (T::Struct(from), T::Struct(to)) => {
            let fits = |(from, to): (&FieldRef, &FieldRef)| stores_or_is(from.data_type(), to.data_type());
            return from.len() == to.len() && from.iter().zip(to).all(fits);
        }
        (T::List(from), T::List(to)) | (T::Map(from, _), T::Map(to, _)) => {
            return stores_or_is(from.data_type(), to.data_type());
        }
        _ => {}
    }
    match (integer(from), integer(to)) {
        (Some(from), Some(to)) => return from <= to,
        (Some(_), None) => return matches!(to, T::Decimal128(..) | T::Float32 | T::Float64),
        _ => {}
    }
    matches!(
        (from, to),
        (T::Null, _)
            | (
                T::Decimal128(..) | T::Float32 | T::Float64,
                T::Decimal128(..) | T::Float64
            )
            | (T::Decimal128(..), T::Float32)
            | (T::Utf8View | T::LargeUtf8, T::Utf8)
            | (T::BinaryView | T::LargeBinary, T::Binary)
            | (T::Timestamp(..) | T::Date32, T::Timestamp(..))
            | (T::Time32(_) | T::Time64(_), T::Time32(_) | T::Time64(_))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_widened_and_never_narrowed() {
        assert!(stores(&DataType::Int32, &DataType::Int64));
        assert!(!stores(&DataType::Int64, &DataType::Int32));
        assert!(stores(&DataType::Decimal128(24, 3), &DataType::Decimal128(23, 3)));
        assert!(!stores(&DataType::Int64, &DataType::Utf8));
        assert!(!stores(&DataType::Utf8, &DataType::Int64));
    }
}
