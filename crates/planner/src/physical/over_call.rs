//! One function OVER rows: the columns that it is of, and its frame.

use arrow_schema::{DataType, Field};
use datafusion_common::DFSchemaRef;
use datafusion_expr::{
    Expr, WindowFunctionDefinition,
    expr::{AggregateFunction, WindowFunctionParams},
};
use weir_model::Location;
use weir_proto::graph::over_function::Kind as Own;

use super::{
    AggregateCall,
    aggregate::Raw,
    frame::{self, Frame, Start},
    lower::{Lower, Rel, natural_name},
    over::{Function, Ordering, OverCall},
    rank::{place_of, whole},
    type_of,
};
use crate::{
    error::{self, Result, plan_defect},
    logical::{aggregates, cast_to, expr_place, over, simplify},
};

impl Lower<'_> {
    /// A call of the plan, its arguments among the raw columns.
    pub(super) fn over_call(
        &self,
        function: &WindowFunctionDefinition,
        params: &WindowFunctionParams,
        input: &Rel,
        from: &DFSchemaRef,
        order: Ordering,
        raw: &mut Raw,
    ) -> Result<OverCall> {
        let at = place_of(params).unwrap_or(self.at);
        let frame = frame::of(params, order == Ordering::Arrival, at)?;
        match function {
            WindowFunctionDefinition::AggregateUDF(udf) => {
                let aggregate = Expr::AggregateFunction(AggregateFunction::new_udf(
                    udf.clone(),
                    params.args.clone(),
                    params.distinct,
                    params.filter.clone(),
                    Vec::new(),
                    params.null_treatment,
                ));
                let call = self.call(&aggregate, input, from, raw)?;
                if frame.start != Start::First {
                    self.check_retraction(&call, raw, input, at)?;
                }
                Ok(OverCall {
                    result: call.result.clone(),
                    text: call.text.clone(),
                    function: Function::Aggregate(call),
                    frame,
                })
            }
            WindowFunctionDefinition::WindowUDF(udf) => {
                let kind = over::kind(udf.name());
                let kind =
                    kind.ok_or_else(|| error::internal(format!("the function {} is missing", udf.name())))?;
                if matches!(kind, Own::Rank | Own::DenseRank) && order == Ordering::Arrival {
                    return Err(error::unsupported(
                        at,
                        "no rows are equal in the order of processing time: write ROW_NUMBER()",
                    ));
                }
                self.own_call(kind, params, frame, input, from, raw)
            }
        }
    }

    /// Refuses aggregates that cannot take values back, which leave frames with a bound.
    fn check_retraction(&self, call: &AggregateCall, raw: &Raw, input: &Rel, at: Location) -> Result<()> {
        if let Some(user) = call.user.as_ref().filter(|user| !user.retracts()) {
            return Err(error::unsupported(
                at,
                format!(
                    "{0} OVER a frame with a bound needs a function that takes values back: export \"{0}.retract\" from its module, or \
                     write ROWS UNBOUNDED PRECEDING",
                    user.name()
                ),
            ));
        }
        let Some(column) = call.column else { return Ok(()) };
        let data_type = type_of(&raw.columns[column].1, &self.schema(input))?;
        if aggregates::holds_map(&data_type) {
            return Err(error::unsupported(
                at,
                "a MAP OVER a frame with a bound is not supported: MAPs are not compared; take MAP_KEYS or a value of it",
            ));
        }
        Ok(())
    }

    fn own_call(
        &self,
        kind: Own,
        params: &WindowFunctionParams,
        frame: Frame,
        input: &Rel,
        from: &DFSchemaRef,
        raw: &mut Raw,
    ) -> Result<OverCall> {
        let name = kind.as_str_name();
        let at = place_of(params).unwrap_or(self.at);
        let frame = match kind {
            Own::FirstValue | Own::LastValue => frame,
            _ if !frame.is_default() => {
                return Err(error::invalid(at, format!("{name} takes no ROWS and no RANGE")));
            }
            _ => Frame::ALL_BEFORE,
        };
        let mut text = format!("{name}()");
        let mut result = (DataType::Int64, false);
        let mut column = None;
        let mut default = None;
        if let Some(argument) = params.args.first() {
            let argument = self.canonical(self.substitute(argument, input, from)?, input)?;
            let schema = self.schema(input);
            let data_type = type_of(&argument, &schema)?;
            text = format!("{name}({})", super::format::format_expr(&argument));
            column = Some(raw.add(natural_name(&argument, &schema), argument));
            if let Some(other) = params.args.get(2) {
                let other = self.canonical(self.substitute(other, input, from)?, input)?;
                let given = type_of(&other, &schema)?;
                let other = simplify::simplify(cast_to(other, &given, &data_type), &schema);
                default = Some(raw.add("$default".into(), other.map_err(plan_defect)?));
            }
            result = (data_type, true);
        }
        Ok(OverCall {
            function: Function::Own {
                kind,
                column,
                offset: lag_offset(params, from, at)?,
                default,
            },
            frame,
            result: Field::new(&text, result.0, result.1),
            text,
        })
    }
}

/// How many rows LAG looks back: its second argument.
fn lag_offset(params: &WindowFunctionParams, from: &DFSchemaRef, at: Location) -> Result<u64> {
    let Some(offset) = params.args.get(1) else {
        return Ok(1);
    };
    let value = simplify::coerce_and_simplify(offset.clone(), from).map_err(plan_defect)?;
    let number = match &value {
        Expr::Literal(value, _) => whole(value).and_then(|n| u64::try_from(n).ok()),
        _ => None,
    };
    number.ok_or_else(|| {
        let at = expr_place(offset).unwrap_or(at);
        error::invalid(at, "LAG looks back by a constant whole number of rows, from 0 on")
    })
}
