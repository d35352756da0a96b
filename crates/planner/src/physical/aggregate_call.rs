//! One aggregate function of a query: the column that it is of, and what travels between its phases.

use std::{collections::HashSet, sync::Arc};

use arrow_schema::{DataType, Field};
use datafusion_common::{DFSchemaRef, ScalarValue};
use datafusion_expr::{
    Expr, ExprSchemable,
    expr::{AggregateFunction as Call, NullTreatment},
    lit, when,
};
use weir_proto::graph::AggregateFunction;

use super::{
    AggregateCall,
    aggregate::Raw,
    expr::unique_name,
    format::format_expr,
    lower::{Lower, Rel, natural_name},
    type_of,
};
use crate::{
    error::{self, Result, plan_defect},
    logical::{aggregates, cast_to, expr_place, user},
};

impl Lower<'_> {
    /// The aggregate that an expression is, its argument among the raw columns.
    pub(super) fn call(
        &self,
        expr: &Expr,
        input: &Rel,
        from: &DFSchemaRef,
        raw: &mut Raw,
    ) -> Result<AggregateCall> {
        let named = match expr {
            Expr::Alias(alias) => alias.expr.as_ref(),
            other => other,
        };
        let Expr::AggregateFunction(call) = named else {
            return Err(error::internal(format!("'{named}' is no aggregate")));
        };
        let (_, field) = named.to_field(from.as_ref()).map_err(plan_defect)?;
        let at = expr_place(expr).unwrap_or(self.at);
        let user = user::aggregate(&call.func).cloned();
        let unknown = || error::internal(format!("the aggregate {} is missing", call.func.name()));
        let function = match &user {
            Some(_) => AggregateFunction::User,
            None => aggregates::operator_function(call.func.name()).ok_or_else(unknown)?,
        };
        if let Some(user) = user
            .as_ref()
            .filter(|user| input.updates.is_some() && !user.retracts())
        {
            return Err(error::unsupported(
                at,
                format!(
                    "{0} of a result that changes needs a function that takes values back: export \"{0}.retract\" from its module",
                    user.name()
                ),
            ));
        }
        let result = |text: &str| Field::new(text, field.data_type().clone(), field.is_nullable());
        if self.counts_rows(function, call, input, from)? {
            let text = "COUNT(*)".to_owned();
            return Ok(AggregateCall {
                function: AggregateFunction::CountStar,
                column: None,
                separator: String::new(),
                percentages: Vec::new(),
                packed: false,
                user: None,
                distinct: false,
                result: result(&text),
                name: text.clone(),
                text,
            });
        }
        let argument = self.argument(function, call, input, from)?;
        let distinct = call.params.distinct && !aggregates::takes_each_once(function);
        let schema = self.schema(input);
        let data_type = type_of(&argument.expr, &schema)?;
        if aggregates::holds_map(&data_type) && (distinct || input.updates.is_some()) {
            let why = if distinct {
                "DISTINCT"
            } else {
                "a result that changes"
            };
            return Err(error::unsupported(
                at,
                format!(
                    "{} of a MAP, for {why}, is not supported: MAPs are not compared; take MAP_KEYS or a value of it",
                    call.func.name().to_uppercase()
                ),
            ));
        }
        let text = argument.text(call);
        let name = argument.name(call, function, distinct);
        Ok(AggregateCall {
            function,
            column: Some(raw.add(natural_name(&argument.expr, &schema), argument.expr)),
            separator: argument.separator,
            percentages: argument.percentages,
            packed: argument.packed,
            user,
            distinct,
            result: result(&text),
            text,
            name,
        })
    }

    /// Whether it counts all rows: COUNT of a constant.
    fn counts_rows(
        &self,
        function: AggregateFunction,
        call: &Call,
        input: &Rel,
        from: &DFSchemaRef,
    ) -> Result<bool> {
        let [argument] = call.params.args.as_slice() else {
            return Ok(false);
        };
        let counts = function == AggregateFunction::Count && !call.params.distinct;
        if !counts || call.params.filter.is_some() {
            return Ok(false);
        }
        let argument = self.substitute(argument, input, from)?;
        Ok(matches!(argument, Expr::Literal(value, _) if !value.is_null()))
    }

    /// What an aggregate is of; rows that FILTER leaves out, and those with a null that it does not look at, are null.
    fn argument(
        &self,
        function: AggregateFunction,
        call: &Call,
        input: &Rel,
        from: &DFSchemaRef,
    ) -> Result<Argument> {
        let substitute = |expr: &Expr| self.canonical(self.substitute(expr, input, from)?, input);
        let mut args = call
            .params
            .args
            .iter()
            .map(substitute)
            .collect::<Result<Vec<_>>>()?;
        let filter = call.params.filter.as_ref();
        let filter = filter
            .map(|filter| self.substitute(filter, input, from))
            .transpose()?;
        let mut separator = ",".to_owned();
        if function != AggregateFunction::Listagg {
            separator.clear();
        } else if args.len() > 1 {
            separator = literal(&args[1]).ok_or_else(|| {
                error::unsupported(
                    expr_place(&call.params.args[1]).unwrap_or(self.at),
                    "the separator of LISTAGG is a text in single quotes",
                )
            })?;
            args.truncate(1);
        }
        let shown = args.clone();
        let mut percentages = Vec::new();
        if function == AggregateFunction::Percentile {
            percentages = shares(&args[1]).ok_or_else(|| {
                error::unsupported(
                    expr_place(&call.params.args[1]).unwrap_or(self.at),
                    "the second argument of PERCENTILE is a number from 0 to 1, or an ARRAY of such numbers, not a column",
                )
            })?;
            args.truncate(1);
            let data_type = type_of(&args[0], &self.schema(input))?;
            args[0] = cast_to(args[0].clone(), &data_type, &DataType::Float64);
        }
        let respects_nulls = function == AggregateFunction::ArrayAgg
            && call.params.null_treatment != Some(NullTreatment::IgnoreNulls);
        let (expr, packed) = if respects_nulls {
            (packed(filter.clone().unwrap_or_else(|| lit(true)), args)?, true)
        } else if args.len() > 1 || function == AggregateFunction::User {
            let set = args.iter().map(|arg| arg.clone().is_not_null());
            let set = set.chain(filter.clone()).reduce(Expr::and);
            let set = set.unwrap_or_else(|| lit(true));
            if call.params.distinct || function == AggregateFunction::User {
                (packed(set, args)?, true)
            } else {
                (masked(set, lit(1_i32))?, false)
            }
        } else {
            let [argument] = <[Expr; 1]>::try_from(args)
                .map_err(|_| error::internal(format!("{} without an argument", call.func.name())))?;
            match filter.clone() {
                Some(filter) => (masked(filter, argument)?, false),
                None => (argument, false),
            }
        };
        Ok(Argument {
            expr,
            packed,
            separator,
            percentages,
            shown,
            filter,
        })
    }
}

/// What an aggregate is of.
struct Argument {
    expr: Expr,
    packed: bool,
    separator: String,
    percentages: Vec<f64>,
    /// The arguments as they were given.
    shown: Vec<Expr>,
    filter: Option<Expr>,
}

impl Argument {
    /// The call in SQL's words.
    fn text(&self, call: &Call) -> String {
        let separator = match self.separator.as_str() {
            "" | "," => String::new(),
            other => format!(", '{other}'"),
        };
        self.words(call, &self.shown, call.params.distinct, &separator)
    }

    /// The same without what tells two results of one state apart.
    fn name(&self, call: &Call, function: AggregateFunction, distinct: bool) -> String {
        let of_state = match function {
            AggregateFunction::Percentile => &self.shown[..1],
            _ => &self.shown,
        };
        self.words(call, of_state, distinct, "")
    }

    fn words(&self, call: &Call, args: &[Expr], distinct: bool, separator: &str) -> String {
        let name = call.func.name().trim_start_matches('$').to_uppercase();
        let distinct = if distinct { "DISTINCT " } else { "" };
        let args: Vec<String> = args.iter().map(format_expr).collect();
        let nulls = match call.params.null_treatment {
            Some(NullTreatment::IgnoreNulls) => " IGNORE NULLS",
            _ => "",
        };
        let filter = self
            .filter
            .as_ref()
            .map(|filter| format!(" FILTER (WHERE {})", format_expr(filter)));
        format!(
            "{name}({distinct}{}{separator}{nulls}){}",
            args.join(", "),
            filter.unwrap_or_default()
        )
    }
}

fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Some(text.clone()),
        Expr::Cast(cast) => literal(&cast.expr),
        _ => None,
    }
}

/// Constant numbers from 0 to 1, one or an array of them.
fn shares(expr: &Expr) -> Option<Vec<f64>> {
    let shares = match expr {
        Expr::Literal(ScalarValue::List(list), _) => {
            let values = list.value(0);
            let values = (0..values.len()).map(|i| {
                ScalarValue::try_from_array(&values, i)
                    .ok()
                    .and_then(|v| share(&v))
            });
            values.collect::<Option<Vec<_>>>()?
        }
        Expr::Literal(value, _) => vec![share(value)?],
        Expr::Cast(cast) => shares(&cast.expr)?,
        Expr::ScalarFunction(call) if call.func.name() == weir_functions::array_constructor().name() => {
            let nested = call.args.iter().map(shares).collect::<Option<Vec<_>>>()?;
            nested.concat()
        }
        _ => return None,
    };
    (!shares.is_empty() && shares.iter().all(|share| (0.0..=1.0).contains(share))).then_some(shares)
}

fn share(value: &ScalarValue) -> Option<f64> {
    match value.cast_to(&DataType::Float64) {
        Ok(ScalarValue::Float64(share)) => share,
        _ => None,
    }
}

/// The value where the condition holds, else null.
fn masked(condition: Expr, value: Expr) -> Result<Expr> {
    when(condition, value).end().map_err(plan_defect)
}

/// A ROW of the values where the condition holds, else null.
fn packed(condition: Expr, values: Vec<Expr>) -> Result<Expr> {
    let function = weir_functions::function("$PACKED");
    let function = function.ok_or_else(|| error::internal("no function packs arguments"))?;
    Ok(function.call(std::iter::once(condition).chain(values).collect()))
}

/// Gives the results names that are not taken.
pub(super) fn name_results(calls: &mut [AggregateCall], taken: &mut HashSet<String>) {
    for call in calls {
        let name = unique_name(call.result.name().clone(), taken);
        call.result = call.result.clone().with_name(name);
    }
}

/// The rows between the phases: keys and partial results.
pub(super) fn partial_fields(keys: &[Field], calls: &[AggregateCall], rows: &DFSchemaRef) -> Vec<Field> {
    use AggregateFunction as F;
    let mut fields = keys.to_vec();
    for call in calls {
        let name = call.result.name();
        let argument = call.column.map(|c| rows.field(c).data_type().clone());
        let list = |values| DataType::List(Arc::new(Field::new_list_field(values, true)));
        match (call.function, argument) {
            // Which values a group has.
            (_, Some(argument)) if call.distinct => fields.push(Field::new(name, list(argument), true)),
            (
                F::Percentile | F::Listagg | F::ArrayAgg | F::JsonArrayagg | F::JsonObjectagg,
                Some(argument),
            ) => {
                fields.push(Field::new(name, list(argument), true));
            }
            (F::Avg, Some(argument)) => {
                fields.push(Field::new(format!("{name}$sum"), avg_sum_type(&argument), true));
                fields.push(Field::new(format!("{name}$count"), DataType::Int64, false));
            }
            (F::StddevPop | F::StddevSamp | F::VarPop | F::VarSamp, _) => {
                fields.push(Field::new(format!("{name}$count"), DataType::Int64, false));
                fields.push(Field::new(format!("{name}$mean"), DataType::Float64, false));
                fields.push(Field::new(format!("{name}$squares"), DataType::Float64, false));
            }
            (F::User, _) => {
                let bytes = call.user.as_ref().map_or(0, |user| user.signature().state_bytes);
                let state = DataType::FixedSizeBinary(bytes as i32);
                fields.push(Field::new(format!("{name}$state"), state, false));
                fields.push(Field::new(format!("{name}$count"), DataType::Int64, false));
            }
            (F::Count | F::CountStar, _) => fields.push(Field::new(name, DataType::Int64, false)),
            _ => fields.push(Field::new(name, call.result.data_type().clone(), true)),
        }
    }
    fields
}

/// What an average sums in: as wide as its argument may grow.
fn avg_sum_type(argument: &DataType) -> DataType {
    match argument {
        DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Decimal128(_, scale) => DataType::Decimal128(38, *scale),
        _ => DataType::Int64,
    }
}
