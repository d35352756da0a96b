//! Values that a sink's columns cannot hold: nulls of NOT NULL columns, texts of another length than CHAR(n) and VARCHAR(n).

use arrow_schema::{DataType, Field};
use datafusion_expr::{Expr, ExprSchemable, lit};

use super::lower::{Lower, Rel};
use crate::{
    error::{self, Result, plan_defect},
    logical::functions,
    parse::{Insert, types::Length},
    settings::{self, NotNull},
};

impl Lower<'_> {
    /// A value for a column: of a NOT NULL one, a null ends the job, or its row is left out.
    pub(super) fn without_null(&self, expr: Expr, field: &Field, rel: &mut Rel) -> Result<Expr> {
        let schema = self.schema(rel);
        if field.is_nullable() || !expr.nullable(schema.as_ref()).map_err(plan_defect)? {
            return Ok(expr);
        }
        match self.operators.enforcers.not_null {
            NotNull::Error => call("$NOT_NULL", vec![expr, lit(field.name().as_str())]),
            NotNull::Drop => {
                rel.filters.push(expr.clone().is_not_null());
                Ok(expr)
            }
        }
    }

    /// A value for a column whose values have a length.
    pub(super) fn fitted(&self, expr: Expr, field: &Field, length: Length, insert: &Insert) -> Result<Expr> {
        let enforcer = self.operators.enforcers.length;
        if enforcer == settings::Length::Ignore {
            return Ok(expr);
        }
        if *field.data_type() != DataType::Utf8 {
            return Err(error::unsupported(
                insert.table.at,
                format!(
                    "'table.exec.sink.type-length-enforcer' is for CHAR and VARCHAR only yet: declare column '{}' as BYTES",
                    field.name()
                ),
            ));
        }
        let most = lit(i64::try_from(length.most).unwrap_or(i64::MAX));
        match (enforcer, length.fixed) {
            (settings::Length::TrimPad, true) => call("$CHAR", vec![expr, most]),
            (settings::Length::TrimPad, false) => call("$VARCHAR", vec![expr, most]),
            (_, fixed) => {
                let least = if fixed { most.clone() } else { lit(0_i64) };
                call("$FITS", vec![expr, least, most, lit(field.name().as_str())])
            }
        }
    }
}

fn call(name: &str, arguments: Vec<Expr>) -> Result<Expr> {
    let function = functions::scalar(name);
    let function = function.ok_or_else(|| error::internal(format!("the function {name} is missing")))?;
    Ok(function.call(arguments))
}
