//! The arguments of window functions: by position or by name.

use datafusion_common::{DFSchema, Result, ScalarValue};
use datafusion_expr::{Expr, planner::RelationPlannerContext};
use sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Spanned, TableFactor,
};
use std::sync::Arc;
use weir_model::Location;

use super::{count, external, refuse};
use crate::{
    error::{self, place},
    logical::simplify,
    parse::group_window::{GROUP_HOP, PARTITION},
};

/// A window function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Tumble,
    Hop,
    GroupHop,
    Cumulate,
    Session,
    CountTumble,
    CountHop,
}

impl Function {
    /// The function of that name.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name.to_uppercase().as_str() {
            "TUMBLE" => Some(Self::Tumble),
            "HOP" => Some(Self::Hop),
            GROUP_HOP => Some(Self::GroupHop),
            "CUMULATE" => Some(Self::Cumulate),
            "SESSION" => Some(Self::Session),
            "COUNT_TUMBLE" => Some(Self::CountTumble),
            "COUNT_HOP" => Some(Self::CountHop),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tumble => "TUMBLE",
            Self::Hop | Self::GroupHop => "HOP",
            Self::Cumulate => "CUMULATE",
            Self::Session => "SESSION",
            Self::CountTumble => "COUNT_TUMBLE",
            Self::CountHop => "COUNT_HOP",
        }
    }

    /// Whether its windows are of so many rows.
    pub(super) fn is_count(self) -> bool {
        matches!(self, Self::CountTumble | Self::CountHop)
    }

    /// The names of its parameters in order; OFFSET may be left out.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Tumble => &["DATA", "TIMECOL", "SIZE", "OFFSET"],
            Self::Hop | Self::GroupHop => &["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"],
            Self::Cumulate => &["DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"],
            Self::Session => &["DATA", "TIMECOL", "GAP"],
            Self::CountTumble => &["DATA", "SIZE"],
            Self::CountHop => &["DATA", "SLIDE", "SIZE"],
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Self::Tumble => {
                "TUMBLE takes a table, a time column and a size: TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE [, offset])"
            }
            Self::Hop | Self::GroupHop => {
                "HOP takes a table, a time column, a slide and a size: HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '1' MINUTE [, offset])"
            }
            Self::Cumulate => {
                "CUMULATE takes a table, a time column, a step and the greatest size: CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' DAY [, offset])"
            }
            Self::Session => {
                "SESSION takes a table, a time column and a gap: SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE)"
            }
            Self::CountTumble => {
                "COUNT_TUMBLE takes a table and a number of rows: COUNT_TUMBLE(TABLE t PARTITION BY k, 100)"
            }
            Self::CountHop => {
                "COUNT_HOP takes a table, a slide and a size in rows: COUNT_HOP(TABLE t PARTITION BY k, 10, 100)"
            }
        }
    }
}

/// The arguments of a call by parameter.
pub(super) struct Arguments {
    function: Function,
    at: Location,
    values: Vec<Option<ast::Expr>>,
    /// The columns behind PARTITION BY; none: as the query groups.
    partition: Option<Vec<Ident>>,
}

impl Arguments {
    /// Sorts out the arguments of a call that stands at a place.
    pub(super) fn new(function: Function, args: Vec<FunctionArg>, at: Location) -> Result<Self> {
        let names = function.parameters();
        let mut values: Vec<Option<ast::Expr>> = vec![None; names.len()];
        let (partition, args) = partition(function, args, at)?;
        for (i, arg) in args.into_iter().enumerate() {
            let arg_at = place(arg.span(), at);
            let (slot, value) = match arg {
                FunctionArg::Named {
                    name,
                    arg: FunctionArgExpr::Expr(value),
                    ..
                } => {
                    let slot = names.iter().position(|n| name.value.eq_ignore_ascii_case(n));
                    let what = format!("argument of {}", function.name());
                    let unknown =
                        || error::unknown(place(name.span, at), &what, &name.value, names.iter().copied());
                    (slot.ok_or_else(|| external(unknown()))?, value)
                }
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) if i < values.len() => (i, value),
                _ => return refuse(error::syntax(arg_at, function.usage())),
            };
            if values[slot].replace(value).is_some() {
                return refuse(error::syntax(
                    arg_at,
                    format!("{} has two arguments {}", function.name(), names[slot]),
                ));
            }
        }
        Ok(Self {
            function,
            at,
            values,
            partition,
        })
    }

    /// The columns behind PARTITION BY; none: as the query groups.
    pub(super) fn partition(&mut self) -> Option<Vec<Ident>> {
        self.partition.take()
    }

    fn optional(&mut self, name: &str) -> Option<ast::Expr> {
        let slot = self.function.parameters().iter().position(|n| *n == name)?;
        self.values[slot].take()
    }

    fn required(&mut self, name: &str) -> Result<ast::Expr> {
        let usage = || external(error::syntax(self.at, self.function.usage()));
        let usage = usage();
        self.optional(name).ok_or(usage)
    }

    /// Refuses a call that lacks an argument.
    pub(super) fn check(&self) -> Result<()> {
        let mut given = self.function.parameters().iter().zip(&self.values);
        if given.any(|(name, value)| *name != "OFFSET" && value.is_none()) {
            return refuse(error::syntax(self.at, self.function.usage()));
        }
        Ok(())
    }

    /// A length of time: positive, ms, with its place.
    pub(super) fn length(
        &mut self,
        name: &str,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<(i64, Location)> {
        let expr = self.required(name)?;
        let at = place(expr.span(), self.at);
        let ms = interval_ms(expr, at, context)?;
        if ms <= 0 {
            let what = name.to_lowercase();
            return refuse(error::invalid(
                at,
                format!("the {what} of a window must be positive"),
            ));
        }
        Ok((ms, at))
    }

    /// A number of rows, with its place.
    pub(super) fn rows(
        &mut self,
        name: &str,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<(u64, Location)> {
        let expr = self.required(name)?;
        let at = place(expr.span(), self.at);
        Ok((count::rows(expr, name, at, context)?, at))
    }

    /// Where the call stands.
    pub(super) fn place(&self) -> Location {
        self.at
    }

    /// By how much windows are shifted, ms.
    pub(super) fn offset(&mut self, context: &mut dyn RelationPlannerContext) -> Result<i64> {
        let at = self.at;
        let offset = self.optional("OFFSET");
        offset.map_or(Ok(0), |expr| {
            let at = place(expr.span(), at);
            interval_ms(expr, at, context)
        })
    }

    /// The column of `DESCRIPTOR(ts)`.
    pub(super) fn time(&mut self) -> Result<Ident> {
        let expr = self.required("TIMECOL")?;
        let wrong = error::syntax(
            place(expr.span(), self.at),
            "the time column is written DESCRIPTOR(ts)",
        );
        let ast::Expr::Function(function) = &expr else {
            return refuse(wrong);
        };
        if !function.name.to_string().eq_ignore_ascii_case("DESCRIPTOR") {
            return refuse(wrong);
        }
        match list(function.clone()).as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Identifier(column)))] => {
                Ok(column.clone())
            }
            _ => refuse(wrong),
        }
    }

    /// The table, as it would stand in FROM.
    pub(super) fn data(&mut self) -> Result<TableFactor> {
        let data = self.required("DATA")?;
        self.relation(data)
    }

    fn relation(&self, data: ast::Expr) -> Result<TableFactor> {
        match data {
            ast::Expr::Identifier(name) => Ok(TableFactor::Table {
                name: ObjectName::from(vec![name]),
                alias: None,
                args: None,
                with_hints: Vec::new(),
                version: None,
                with_ordinality: false,
                partitions: Vec::new(),
                json_path: None,
                sample: None,
                index_hints: Vec::new(),
            }),
            ast::Expr::Subquery(subquery) => Ok(TableFactor::Derived {
                lateral: false,
                subquery,
                alias: None,
                sample: None,
            }),
            ast::Expr::Nested(inner) => self.relation(*inner),
            other => refuse(error::syntax(
                place(other.span(), self.at),
                format!(
                    "the first argument of {} is a table: TABLE t, or a query in parentheses",
                    self.function.name()
                ),
            )),
        }
    }
}

/// The columns behind PARTITION BY, and the other arguments.
fn partition(
    function: Function,
    args: Vec<FunctionArg>,
    at: Location,
) -> Result<(Option<Vec<Ident>>, Vec<FunctionArg>)> {
    let (mut columns, mut rest) = (Some(Vec::new()), Vec::new());
    for arg in args {
        let call = match &arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Function(call)))
                if call.name.to_string() == PARTITION =>
            {
                call.clone()
            }
            _ => {
                rest.push(arg);
                continue;
            }
        };
        let at = place(call.span(), at);
        if function != Function::Session && !function.is_count() {
            return refuse(error::invalid(
                at,
                format!(
                    "PARTITION BY is for SESSION windows and windows by count: group by the columns, {} windows are the same for all keys",
                    function.name()
                ),
            ));
        }
        let names = list(call).into_iter().map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Identifier(name))) => Ok(name),
            _ => refuse(error::syntax(
                at,
                "PARTITION BY takes a column, or several in parentheses",
            )),
        });
        let names = names.collect::<Result<Vec<_>>>()?;
        columns = (!names.is_empty()).then_some(names);
    }
    Ok((columns, rest))
}

/// The arguments of a call as they stand.
pub(super) fn list(function: ast::Function) -> Vec<FunctionArg> {
    match function.args {
        FunctionArguments::List(list) => list.args,
        FunctionArguments::None | FunctionArguments::Subquery(_) => Vec::new(),
    }
}

/// The length of an interval.
fn interval_ms(expr: ast::Expr, at: Location, context: &mut dyn RelationPlannerContext) -> Result<i64> {
    let value = constant(expr, context)?;
    if matches!(value, Some(ScalarValue::IntervalMonthDayNano(Some(v))) if v.months != 0) {
        return refuse(error::unsupported(
            at,
            "a window's size cannot be in months or years: use days",
        ));
    }
    value.and_then(|value| milliseconds(&value)).ok_or_else(|| {
        external(error::invalid(
            at,
            "a window's size and offset are constant intervals: INTERVAL '10' SECOND",
        ))
    })
}

/// The length of a constant interval of days or less; none if it is something else.
pub(in crate::logical) fn constant_ms(
    expr: ast::Expr,
    context: &mut dyn RelationPlannerContext,
) -> Result<Option<i64>> {
    let value = constant(expr, context)?;
    Ok(value.and_then(|value| milliseconds(&value)))
}

/// The value of an expression, if it has the same one for all rows.
fn constant(expr: ast::Expr, context: &mut dyn RelationPlannerContext) -> Result<Option<ScalarValue>> {
    let schema = DFSchema::empty();
    let planned = context.sql_to_expr(expr, &schema)?;
    Ok(match simplify::coerce_and_simplify(planned, &Arc::new(schema))? {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    })
}

fn milliseconds(interval: &ScalarValue) -> Option<i64> {
    match interval {
        ScalarValue::IntervalMonthDayNano(Some(v)) if v.months == 0 && v.nanoseconds % 1_000_000 == 0 => {
            i64::from(v.days)
                .checked_mul(86_400_000)
                .and_then(|days| days.checked_add(v.nanoseconds / 1_000_000))
        }
        ScalarValue::IntervalDayTime(Some(v)) => i64::from(v.days)
            .checked_mul(86_400_000)
            .and_then(|days| days.checked_add(i64::from(v.milliseconds))),
        _ => None,
    }
}
