//! Functions called with single values, as constants and as columns: both must give the same.

use std::sync::Arc;

use arrow_array::Array;
use arrow_schema::Field;
use datafusion_common::{ScalarValue, config::ConfigOptions};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs};

/// A text, or NULL.
pub(crate) fn text<'a>(value: impl Into<Option<&'a str>>) -> ScalarValue {
    ScalarValue::Utf8(value.into().map(str::to_owned))
}

/// A BIGINT.
pub(crate) fn int(value: i64) -> ScalarValue {
    ScalarValue::Int64(Some(value))
}

/// Functions that some argument of must be a constant.
const NEED_CONSTANTS: &[&str] = &[
    "TO_TIMESTAMP_LTZ",
    "SHA2",
    "$JSON_VALUE",
    "$JSON_QUERY",
    "$JSON_EXISTS",
];

/// What the function gives, or its error.
pub(crate) fn call(name: &str, args: &[ScalarValue]) -> Result<ScalarValue, String> {
    let constants: Vec<_> = args.iter().cloned().map(ColumnarValue::Scalar).collect();
    let columns = args
        .iter()
        .map(|value| value.to_array_of_size(3).map(ColumnarValue::Array))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| e.to_string())?;
    let constant = invoke(name, constants);
    if NEED_CONSTANTS.contains(&name) {
        return constant;
    }
    let column = invoke(name, columns);
    assert_eq!(constant, column, "{name} of constants and of columns");
    constant
}

fn invoke(name: &str, args: Vec<ColumnarValue>) -> Result<ScalarValue, String> {
    let function = crate::function(name).unwrap_or_else(|| panic!("there is no {name}"));
    let types: Vec<_> = args.iter().map(ColumnarValue::data_type).collect();
    let coerced = function.coerce_types(&types).map_err(|e| e.strip_backtrace())?;
    let args = args
        .into_iter()
        .zip(&coerced)
        .map(|(arg, to)| arg.cast_to(to, None).expect("coerced types fit"))
        .collect();
    let result = function.return_type(&coerced).map_err(|e| e.strip_backtrace())?;
    let args = ScalarFunctionArgs {
        args,
        arg_fields: Vec::new(),
        number_rows: 3,
        return_field: Arc::new(Field::new("result", result.clone(), true)),
        config_options: Arc::new(ConfigOptions::default()),
    };
    let value = function.invoke_with_args(args).map_err(|e| e.strip_backtrace())?;
    assert_eq!(value.data_type(), result, "{name} gives the type that it says");
    match value {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(array) => {
            assert_eq!(array.len(), 3, "{name} gives a value per row");
            Ok(ScalarValue::try_from_array(&array, 2).expect("a value"))
        }
    }
}

/// Asserts that a function of these texts and numbers gives a text, or NULL.
pub(crate) fn check(name: &str, args: &[ScalarValue], expected: Option<&str>) {
    assert_eq!(call(name, args), Ok(text(expected)), "{name} of {args:?}");
}
