//! Expressions over the rows of a match: `A.price`, `LAST(A.price, 1)`, `SUM(price)`. What they read becomes columns of their own.

use std::{ops::ControlFlow, sync::Arc};

use arrow_schema::{DataType, Field};
use datafusion_common::{DFSchema, DFSchemaRef, DataFusionError, Result, internal_err, tree_node::TreeNode};
use datafusion_expr::{Expr, ExprSchemable, planner::RelationPlannerContext};
use sqlparser::{
    ast::{
        self, DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Spanned,
        VisitMut, VisitorMut,
    },
    tokenizer::Span,
};
use weir_model::Location;
use weir_proto::graph::AggregateFunction;

use super::{
    NOWHERE, external, refuse,
    scope::{PROCTIME, ROWTIME, scoped},
};
use crate::{
    error::{self, place},
    logical::{aggregates, functions, simplify, without_aliases},
};

/// A column that expressions over a match read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MatchValue {
    /// Of the rows of this variable of the pattern; none: of all rows.
    pub variable: Option<usize>,
    /// Which rows, and what of them.
    pub kind: ValueKind,
    /// Its type.
    pub data_type: DataType,
}

/// What a column of a match is of its rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ValueKind {
    /// The value in the first row and so many behind it.
    First(u64, Expr),
    /// The value in the last row and so many before it.
    Last(u64, Expr),
    /// An aggregate of the values; of none: COUNT(*).
    Aggregate(AggregateFunction, Option<Expr>),
    /// The event time of the last row.
    Rowtime(Expr),
}

impl MatchValue {
    /// What is read of each row.
    pub(crate) fn expr(&self) -> Option<&Expr> {
        match &self.kind {
            ValueKind::First(_, expr) | ValueKind::Last(_, expr) | ValueKind::Rowtime(expr) => Some(expr),
            ValueKind::Aggregate(_, expr) => expr.as_ref(),
        }
    }

    pub(super) fn expr_mut(&mut self) -> Option<&mut Expr> {
        match &mut self.kind {
            ValueKind::First(_, expr) | ValueKind::Last(_, expr) | ValueKind::Rowtime(expr) => Some(expr),
            ValueKind::Aggregate(_, expr) => expr.as_mut(),
        }
    }
}

/// The name of the column that a value is in an expression over a match.
pub(crate) fn value_name(value: usize) -> String {
    format!("${value}")
}

/// The value that a column of an expression over a match is.
pub(crate) fn value_number(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse().ok()
}

/// Plans expressions over a match.
pub(super) struct Navigator<'a> {
    /// The variables of the pattern.
    pub(super) names: Vec<String>,
    /// The columns of the rows.
    pub(super) schema: DFSchemaRef,
    pub(super) context: &'a mut dyn RelationPlannerContext,
    /// The event time that rows are ordered by.
    pub(super) time: Expr,
    /// What the expressions read.
    pub(super) values: Vec<MatchValue>,
}

impl Navigator<'_> {
    /// An expression over the values as columns named by [`value_name`], and its type. MATCH_ROWTIME() is for measures alone.
    pub(super) fn plan(&mut self, expr: &ast::Expr, is_measure: bool) -> Result<(Expr, DataType)> {
        let mut expr = expr.clone();
        let mut replace = Replace {
            navigator: self,
            is_measure,
        };
        if let ControlFlow::Break(error) = expr.visit(&mut replace) {
            return Err(error);
        }
        let schema = self.values_schema()?;
        self.coerced(expr, &schema)
    }

    /// The values as columns.
    fn values_schema(&self) -> Result<DFSchemaRef> {
        let field = |(number, value): (usize, &MatchValue)| {
            Field::new(value_name(number), value.data_type.clone(), true)
        };
        let fields: Vec<Field> = self.values.iter().enumerate().map(field).collect();
        let fields = DFSchema::from_unqualified_fields(fields.into(), std::collections::HashMap::new());
        fields.map(Arc::new)
    }

    fn coerced(&mut self, expr: ast::Expr, schema: &DFSchemaRef) -> Result<(Expr, DataType)> {
        let at = place(expr.span(), NOWHERE);
        let planned = without_aliases(self.context.sql_to_expr(expr, schema)?)?;
        if planned.exists(|e| Ok(matches!(e, Expr::AggregateFunction(_))))? {
            return refuse(error::unsupported(
                at,
                "this aggregate in MATCH_RECOGNIZE is not supported yet: COUNT, SUM, MIN, MAX and AVG are",
            ));
        }
        let planned = simplify::coerce_and_simplify(planned, schema)?;
        let data_type = planned.get_type(schema.as_ref())?;
        Ok((planned, data_type))
    }

    /// An expression over one row, and its type as state keeps it.
    fn of_row(&mut self, expr: ast::Expr) -> Result<(Expr, DataType)> {
        let schema = Arc::clone(&self.schema);
        let (expr, data_type) = self.coerced(expr, &schema)?;
        let data_type = match data_type {
            DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
            DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
            other => other,
        };
        Ok((expr, data_type))
    }

    /// The placeholder of a value, which is added if it is new.
    fn placeholder(&mut self, value: MatchValue, span: Span) -> ast::Expr {
        let known = self.values.iter().position(|v| *v == value);
        let number = known.unwrap_or_else(|| {
            self.values.push(value);
            self.values.len() - 1
        });
        ast::Expr::Identifier(Ident {
            value: value_name(number),
            quote_style: None,
            span,
        })
    }

    fn last(&mut self, variable: Option<usize>, expr: ast::Expr, span: Span) -> Result<ast::Expr> {
        let (expr, data_type) = self.of_row(expr)?;
        let value = MatchValue {
            variable,
            kind: ValueKind::Last(0, expr),
            data_type,
        };
        Ok(self.placeholder(value, span))
    }

    /// `FIRST(A.x [, n])` and `LAST(A.x [, n])`.
    fn navigation(&mut self, function: &Function, at: Location) -> Result<ast::Expr> {
        let name = function.name.to_string().to_uppercase();
        let wrong = || {
            external(error::type_error(
                at,
                format!(
                    "{name} takes an expression of one variable and, as a whole number, how many rows to go on: {name}(a.price, 1)"
                ),
            ))
        };
        let (expr, offset) = match plain_arguments(function).as_slice() {
            [expr] => (expr.clone(), 0),
            [expr, offset] => (expr.clone(), whole_number(offset).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        };
        let scoped = scoped(&self.names, expr, at, &name)?;
        if !scoped.reads {
            return Err(wrong());
        }
        let (expr, data_type) = self.of_row(scoped.expr)?;
        let kind = if name == "FIRST" {
            ValueKind::First(offset, expr)
        } else {
            ValueKind::Last(offset, expr)
        };
        let value = MatchValue {
            variable: scoped.variable,
            kind,
            data_type,
        };
        Ok(self.placeholder(value, function.span()))
    }

    fn aggregate(&mut self, function: &Function, at: Location) -> Result<ast::Expr> {
        check_aggregate(function, at)?;
        let name = function.name.to_string().to_lowercase();
        let operator = aggregates::operator_function(&name);
        let (Some(udf), Some(operator)) = (aggregates::aggregate(&name), operator) else {
            return internal_err!("the aggregate {name} is missing");
        };
        let arguments = plain_arguments(function);
        let (variable, kind, data_type) = match arguments.as_slice() {
            [] => (
                None,
                ValueKind::Aggregate(AggregateFunction::CountStar, None),
                DataType::Int64,
            ),
            [argument, ..] => {
                let scoped = scoped(&self.names, argument.clone(), at, &name.to_uppercase())?;
                let (expr, argument) = self.of_row(scoped.expr)?;
                let result = udf.return_type(&[argument])?;
                let kind = match (&expr, operator) {
                    (Expr::Literal(value, _), AggregateFunction::Count) if !value.is_null() => {
                        ValueKind::Aggregate(AggregateFunction::CountStar, None)
                    }
                    _ => ValueKind::Aggregate(operator, Some(expr)),
                };
                (scoped.variable, kind, result)
            }
        };
        let value = MatchValue {
            variable,
            kind,
            data_type,
        };
        Ok(self.placeholder(value, function.span()))
    }

    fn rowtime(&mut self, function: &Function, at: Location, is_measure: bool) -> Result<ast::Expr> {
        if !is_measure {
            return refuse(error::invalid(
                at,
                "MATCH_ROWTIME() is for MEASURES: read the time column in DEFINE",
            ));
        }
        let data_type = self.time.get_type(self.schema.as_ref())?;
        let value = MatchValue {
            variable: None,
            kind: ValueKind::Rowtime(self.time.clone()),
            data_type,
        };
        Ok(self.placeholder(value, function.span()))
    }

    fn function(&mut self, function: &Function, at: Location, is_measure: bool) -> Result<Option<ast::Expr>> {
        let name = function.name.to_string().to_uppercase();
        let replaced = match name.as_str() {
            "FIRST" | "LAST" => self.navigation(function, at)?,
            ROWTIME => self.rowtime(function, at, is_measure)?,
            PROCTIME => {
                return refuse(error::unsupported(
                    at,
                    "MATCH_PROCTIME() can only stand by itself, as a measure",
                ));
            }
            "PREV" | "NEXT" => {
                return refuse(error::unsupported(
                    at,
                    format!(
                        "{name} is not supported, as in Flink: LAST(a.x, 1) is the row of the match before"
                    ),
                ));
            }
            "CLASSIFIER" | "MATCH_NUMBER" => {
                return refuse(error::unsupported(
                    at,
                    format!("{name}() is not supported, as in Flink: count or read the rows of a variable"),
                ));
            }
            _ if functions::is_aggregate(&name) => self.aggregate(function, at)?,
            _ => return Ok(None),
        };
        Ok(Some(replaced))
    }
}

/// Refuses what cannot be aggregated over the rows of a match.
fn check_aggregate(function: &Function, at: Location) -> Result<()> {
    let name = function.name.to_string().to_uppercase();
    let is_distinct = match &function.args {
        FunctionArguments::List(list) => list.duplicate_treatment == Some(DuplicateTreatment::Distinct),
        _ => false,
    };
    let refused = if is_distinct {
        "DISTINCT in an aggregate of MATCH_RECOGNIZE is not supported, as in Flink".to_owned()
    } else if function.filter.is_some() {
        "FILTER of an aggregate of MATCH_RECOGNIZE is not supported, as in Flink".to_owned()
    } else if plain_arguments(function).len() > 1 || name == "ARRAY_AGG" {
        format!("{name} in MATCH_RECOGNIZE is not supported yet: aggregates of one column are")
    } else if aggregates::aggregate(&name.to_lowercase()).is_none() {
        format!(
            "the aggregate {name} in MATCH_RECOGNIZE is not supported yet: COUNT, SUM, MIN, MAX and AVG are"
        )
    } else {
        return Ok(());
    };
    refuse(error::unsupported(at, refused))
}

/// Puts placeholders where an expression looks at the rows of a match.
struct Replace<'n, 'a> {
    navigator: &'n mut Navigator<'a>,
    is_measure: bool,
}

impl VisitorMut for Replace<'_, '_> {
    type Break = DataFusionError;

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<DataFusionError> {
        match self.replaced(expr) {
            Ok(Some(new)) => {
                *expr = new;
                ControlFlow::Continue(())
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Replace<'_, '_> {
    fn replaced(&mut self, expr: &ast::Expr) -> Result<Option<ast::Expr>> {
        let at = place(expr.span(), NOWHERE);
        match expr {
            ast::Expr::Function(function) => self.navigator.function(function, at, self.is_measure),
            ast::Expr::Identifier(name) if value_number(&name.value).is_some() => Ok(None),
            ast::Expr::Identifier(_)
            | ast::Expr::CompoundIdentifier(_)
            | ast::Expr::CompoundFieldAccess { .. } => {
                let scoped = scoped(&self.navigator.names, expr.clone(), at, "an expression")?;
                if !scoped.reads {
                    return Ok(None);
                }
                self.navigator
                    .last(scoped.variable, scoped.expr, expr.span())
                    .map(Some)
            }
            ast::Expr::Subquery(_) | ast::Expr::InSubquery { .. } | ast::Expr::Exists { .. } => {
                refuse(error::unsupported(
                    at,
                    "a subquery in MATCH_RECOGNIZE is not supported, as in Flink: join before it",
                ))
            }
            _ => Ok(None),
        }
    }
}

/// The arguments of a function that are expressions.
fn plain_arguments(function: &Function) -> Vec<ast::Expr> {
    let FunctionArguments::List(list) = &function.args else {
        return Vec::new();
    };
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().filter_map(plain).collect()
}

/// The number that a literal is, perhaps with the type that it was given.
fn whole_number(expr: &ast::Expr) -> Option<u64> {
    match expr {
        ast::Expr::Cast { expr, .. } => whole_number(expr),
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}
