//! Values that must be as a sink's columns are: what is not ends the job.

use arrow_array::{Array, ArrayRef};
use datafusion_common::{Result, exec_err};

use crate::{
    call::Call,
    define::{Def, Gives, TEXT, Takes, def},
};

use Takes::{Any, Int, Text};

pub(crate) const FUNCTIONS: &[Def] = &[
    def("$NOT_NULL", &[Any, Text], Gives::AsFirst, not_null),
    def("$FITS", &[Text, Int, Int, Text], TEXT, fits),
];

/// The value, which must not be null, for a column of a name.
fn not_null(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.column(0)?;
    if values.logical_null_count() == 0 {
        return Ok(values);
    }
    let name = call.text(1)?.get(0).unwrap_or_default();
    exec_err!(
        "column '{name}' of the sink is NOT NULL, and the value is null: leave such rows out, or SET 'table.exec.sink.not-null-enforcer' = 'DROP'"
    )
}

/// The text, which must have so many characters at least and at most, for a column of a name.
fn fits(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    let bound = |index: usize| -> Result<i64> {
        let values = call.values::<arrow_array::types::Int64Type>(index)?;
        Ok(values.get(0).unwrap_or_default())
    };
    let (least, most) = (bound(1)?, bound(2)?);
    for row in 0..call.rows {
        let Some(text) = texts.get(row) else { continue };
        let length = text.chars().count() as i64;
        if !(least..=most).contains(&length) {
            let name = call.text(3)?.get(0).unwrap_or_default();
            let wanted = if least == most {
                format!("CHAR({most})")
            } else {
                format!("VARCHAR({most})")
            };
            return exec_err!(
                "column '{name}' of the sink is {wanted}, and the value has {length} characters"
            );
        }
    }
    call.column(0)
}
