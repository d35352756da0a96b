//! TYPEOF: the type of a value, as SQL writes it.

use arrow_schema::DataType;
use datafusion_common::{Result, ScalarValue, plan_err};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::wasm::signature::type_name;

/// The function, which looks at fields and at no values.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeOf {
    signature: Signature,
}

/// `TYPEOF(value)`
pub(crate) fn udf() -> ScalarUDF {
    ScalarUDF::new_from_impl(TypeOf {
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

impl ScalarUDFImpl for TypeOf {
    fn name(&self) -> &'static str {
        "TYPEOF"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if given.len() != 1 {
            return plan_err!("TYPEOF takes 1 argument, {} are given", given.len());
        }
        Ok(given.to_vec())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let data_type = args.args[0].data_type();
        let is_null = args.arg_fields.first().is_none_or(|field| field.is_nullable());
        let text = sql_name(&data_type);
        let text = if is_null || data_type.is_null() {
            text
        } else {
            format!("{text} NOT NULL")
        };
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))))
    }
}

fn sql_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL".into(),
        DataType::List(item) => format!("ARRAY<{}>", sql_name(item.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => format!(
                "MAP<{}, {}>",
                sql_name(fields[0].data_type()),
                sql_name(fields[1].data_type())
            ),
            other => format!("MAP<{other}>"),
        },
        DataType::Struct(fields) => {
            let fields = fields.iter();
            let fields: Vec<_> = fields
                .map(|field| format!("`{}` {}", field.name(), sql_name(field.data_type())))
                .collect();
            format!("ROW<{}>", fields.join(", "))
        }
        other => type_name(other),
    }
}
