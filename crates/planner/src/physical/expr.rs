//! Questions about expressions, and small changes to them.

use std::collections::HashSet;

use arrow_schema::DataType;
use datafusion_common::{Column, DFSchema, ScalarValue};
use datafusion_expr::{Case, Expr, ExprSchemable, Operator, expr::ScalarFunction, utils};

use crate::logical::proctime;

/// A column, or a field within a column of type ROW: costs nothing to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Leaf {
    /// The column.
    pub column: String,
    /// Fields to go down by.
    pub path: Vec<String>,
}

impl Leaf {
    /// A column as a whole.
    pub(crate) fn column(name: impl Into<String>) -> Self {
        Self {
            column: name.into(),
            path: Vec::new(),
        }
    }

    /// The last name of it.
    pub(crate) fn name(&self) -> &str {
        self.path.last().unwrap_or(&self.column)
    }

    /// All names of it with dots between.
    pub(crate) fn dotted(&self) -> String {
        std::iter::once(&self.column)
            .chain(&self.path)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(".")
    }
}

/// The leaf that the expression is, if it is one.
pub(crate) fn as_leaf(expr: &Expr, schema: &DFSchema) -> Option<Leaf> {
    match expr {
        Expr::Column(column) => Some(Leaf::column(&column.name)),
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "get_field" => {
            let (base, names) = args.split_first()?;
            let mut leaf = as_leaf(base, schema)?;
            let mut data_type = base.get_type(schema).ok()?;
            for name in names {
                let (Expr::Literal(ScalarValue::Utf8(Some(name)), _), DataType::Struct(fields)) =
                    (name, &data_type)
                else {
                    return None;
                };
                let (_, field) = fields.find(name)?;
                data_type = field.data_type().clone();
                leaf.path.push(name.clone());
            }
            Some(leaf)
        }
        _ => None,
    }
}

/// Whether computing it again costs nothing.
pub(crate) fn is_cheap(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr, Expr::Literal(..)) || proctime::is_call(expr) || as_leaf(expr, schema).is_some()
}

/// An unqualified column.
pub(crate) fn column(name: impl Into<String>) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// Names made unique by numbering the later ones.
pub(crate) fn unique_names(columns: Vec<(String, Expr)>) -> Vec<(String, Expr)> {
    let mut taken = HashSet::new();
    columns
        .into_iter()
        .map(|(name, expr)| (unique_name(name, &mut taken), expr))
        .collect()
}

/// The name, or if it is taken the name with a number.
pub(crate) fn unique_name(name: String, taken: &mut HashSet<String>) -> String {
    if taken.insert(name.clone()) {
        return name;
    }
    let mut number = 2;
    loop {
        let candidate = format!("{name}_{number}");
        if taken.insert(candidate.clone()) {
            return candidate;
        }
        number += 1;
    }
}

/// All of these conditions as one. What may fail is only computed for rows that pass the others.
pub(crate) fn all_of(conditions: Vec<Expr>, schema: &DFSchema) -> Option<Expr> {
    let mut parts: Vec<Expr> = Vec::new();
    for part in conditions.into_iter().flat_map(utils::split_conjunction_owned) {
        if (part.is_volatile() || !parts.contains(&part)) && !is_true(&part) {
            parts.push(part);
        }
    }
    let (risky, safe): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| may_fail(part, schema));
    match (utils::conjunction(safe), utils::conjunction(risky)) {
        (Some(safe), Some(risky)) => Some(Expr::Case(Case {
            expr: None,
            when_then_expr: vec![(Box::new(safe), Box::new(risky))],
            else_expr: Some(Box::new(Expr::Literal(ScalarValue::Boolean(Some(false)), None))),
        })),
        (one, other) => one.or(other),
    }
}

fn is_true(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Boolean(Some(true)), _))
}

/// Whether computing it can fail for some row: a division by zero, a text that is no number.
pub(crate) fn may_fail(expr: &Expr, schema: &DFSchema) -> bool {
    use datafusion_common::tree_node::TreeNode;
    expr.exists(|e| {
        Ok(match e {
            Expr::Cast(cast) => {
                let from = cast.expr.get_type(schema).ok();
                !from.is_some_and(|from| widens(&from, cast.field.data_type()))
            }
            Expr::BinaryExpr(binary) => {
                matches!(binary.op, Operator::Divide | Operator::Modulo)
                    && !matches!(binary.right.as_ref(), Expr::Literal(value, _) if !is_zero(value))
            }
            Expr::ScalarFunction(call) => weir_functions::may_fail(call.func.name()),
            _ => false,
        })
    })
    .unwrap_or(true)
}

fn is_zero(value: &ScalarValue) -> bool {
    value.is_null() || ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero == *value)
}

/// Whether every value of a type is one of the other, too.
fn widens(from: &DataType, to: &DataType) -> bool {
    let rank = |t: &DataType| match t {
        DataType::Int8 => Some(8),
        DataType::Int16 => Some(16),
        DataType::Int32 => Some(32),
        DataType::Int64 => Some(64),
        _ => None,
    };
    match (rank(from), rank(to)) {
        (Some(from), Some(to)) => from <= to,
        (Some(_), None) => matches!(to, DataType::Float64 | DataType::Utf8),
        _ => from == to || *to == DataType::Utf8 || *from == DataType::Null,
    }
}
