//! The one value that a subquery stands for.

use arrow_array::{ArrayRef, types::Int64Type};
use datafusion_common::{Result, exec_err};

use crate::{
    call::Call,
    define::{Def, Gives, Takes, def},
};

use Takes::{Any, Int};

pub(crate) const FUNCTIONS: &[Def] = &[def("$SINGLE_VALUE", &[Any, Int], Gives::AsFirst, single_value)];

/// A value of a subquery's rows, unless they are several.
fn single_value(call: &Call<'_>) -> Result<ArrayRef> {
    let rows = call.values::<Int64Type>(1)?;
    match (0..call.rows)
        .filter_map(|row| rows.get(row))
        .find(|rows| *rows > 1)
    {
        Some(rows) => exec_err!(
            "the subquery stands for one value and gives {rows} rows: aggregate them, or add ORDER BY ... LIMIT 1"
        ),
        None => call.column(0),
    }
}
