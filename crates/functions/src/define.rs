//! How a function is declared: its name, the types it takes and gives, and what computes a batch.

use std::hash::{Hash, Hasher};

use arrow_array::ArrayRef;
use arrow_schema::{DataType, TimeUnit};
use datafusion_common::{Result, ScalarValue, plan_err};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::call::Call;

/// What an argument must be; a NULL can be any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// STRING.
    Text,
    /// BYTES.
    Bytes,
    /// A whole number, given to the function as BIGINT.
    Int,
    /// A number, given to the function as DOUBLE.
    Double,
    /// DATE, TIMESTAMP or TIMESTAMP_LTZ, as it is.
    Time,
    /// A text or anything else, as it is; the function's own rule for its result refuses the rest.
    Any,
}

/// The type of the result.
#[derive(Clone, Copy)]
pub(crate) enum Gives {
    /// Always this one.
    Type(Fixed),
    /// That of the first argument.
    AsFirst,
    /// It depends on the arguments.
    Of(fn(&[DataType]) -> Result<DataType>),
}

/// A type that can stand in a constant.
#[derive(Clone, Copy)]
pub(crate) enum Fixed {
    Text,
    Bytes,
    Int,
    Long,
    Bool,
    Double,
    Date,
    Time,
    Timestamp,
    TimestampLtz,
}

use Fixed as D;
pub(crate) const TEXT: Gives = Gives::Type(D::Text);
pub(crate) const BYTES: Gives = Gives::Type(D::Bytes);
pub(crate) const INT: Gives = Gives::Type(D::Int);
pub(crate) const LONG: Gives = Gives::Type(D::Long);
pub(crate) const BOOL: Gives = Gives::Type(D::Bool);
pub(crate) const DOUBLE: Gives = Gives::Type(D::Double);
pub(crate) const DATE: Gives = Gives::Type(D::Date);
/// TIME(0).
pub(crate) const TIME: Gives = Gives::Type(D::Time);
pub(crate) const TIMESTAMP: Gives = Gives::Type(D::Timestamp);
pub(crate) const TIMESTAMP_LTZ: Gives = Gives::Type(D::TimestampLtz);

impl Fixed {
    fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Bool => DataType::Boolean,
            Self::Double => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time32(TimeUnit::Second),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
            Self::TimestampLtz => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        }
    }
}

type Run = fn(&Call<'_>) -> Result<ArrayRef>;

/// A function of ours.
#[derive(Clone, Copy)]
pub(crate) struct Def {
    /// Flink's name in uppercase; `$` begins the name of one that only the planner calls.
    pub name: &'static str,
    takes: &'static [Takes],
    optional: usize,
    repeats: bool,
    volatile: bool,
    gives: Gives,
    run: Run,
}

/// A function of exactly these arguments.
pub(crate) const fn def(name: &'static str, takes: &'static [Takes], gives: Gives, run: Run) -> Def {
    Def {
        name,
        takes,
        optional: 0,
        repeats: false,
        volatile: false,
        gives,
        run,
    }
}

impl Def {
    /// The last so many arguments may be left out.
    pub(crate) const fn optional(mut self, count: usize) -> Self {
        self.optional = count;
        self
    }

    /// The last argument may be repeated.
    pub(crate) const fn repeats(mut self) -> Self {
        self.repeats = true;
        self
    }

    /// It may give something else each time, whatever its arguments.
    pub(crate) const fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// The function as DataFusion knows functions.
    pub(crate) fn udf(self) -> ScalarUDF {
        let volatility = if self.volatile {
            Volatility::Volatile
        } else {
            Volatility::Immutable
        };
        ScalarUDF::new_from_impl(Flink {
            def: self,
            signature: Signature::user_defined(volatility),
        })
    }

    fn coerce(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let most = if self.repeats {
            usize::MAX
        } else {
            self.takes.len()
        };
        let fewest = self.takes.len() - self.optional;
        if given.len() < fewest || given.len() > most {
            let wanted = match (fewest, most) {
                (_, usize::MAX) => format!("at least {}", arguments(fewest)),
                (a, b) if a == b => arguments(a),
                (a, b) => format!("{a} to {}", arguments(b)),
            };
            return plan_err!("{} takes {wanted}, {} are given", self.name, given.len());
        }
        let mut types = Vec::with_capacity(given.len());
        for (index, data_type) in given.iter().enumerate() {
            let takes = self.takes[index.min(self.takes.len() - 1)];
            match takes.coerce(data_type) {
                Some(coerced) => types.push(coerced),
                None => {
                    return plan_err!(
                        "argument {} of {} must be {}, it is of the type {data_type}: add a CAST",
                        index + 1,
                        self.name,
                        takes.words()
                    );
                }
            }
        }
        Ok(types)
    }
}

fn arguments(count: usize) -> String {
    format!("{count} argument{}", if count == 1 { "" } else { "s" })
}

impl Takes {
    fn words(self) -> &'static str {
        match self {
            Self::Text => "a STRING",
            Self::Bytes => "BYTES",
            Self::Int => "a whole number",
            Self::Double => "a number",
            Self::Time => "a DATE or a TIMESTAMP",
            Self::Any => "a value",
        }
    }

    /// The type that the function is given for an argument of a type.
    fn coerce(self, given: &DataType) -> Option<DataType> {
        use DataType as T;
        match (self, given) {
            (Self::Text, T::Utf8 | T::Utf8View | T::LargeUtf8 | T::Null) => Some(T::Utf8),
            (Self::Bytes, T::Binary | T::BinaryView | T::LargeBinary | T::Null) => Some(T::Binary),
            (Self::Int, T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Null) => Some(T::Int64),
            (Self::Double, T::Null) => Some(T::Float64),
            (Self::Double, number) if number.is_numeric() => Some(T::Float64),
            (Self::Time, T::Null) => Some(D::Timestamp.arrow()),
            (Self::Time, T::Date32 | T::Timestamp(..)) | (Self::Any, _) => Some(given.clone()),
            _ => None,
        }
    }
}

#[derive(Clone)]
struct Flink {
    def: Def,
    signature: Signature,
}

impl std::fmt::Debug for Flink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.def.name)
    }
}

impl PartialEq for Flink {
    fn eq(&self, other: &Self) -> bool {
        self.def.name == other.def.name
    }
}

impl Eq for Flink {}

impl Hash for Flink {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.def.name.hash(state);
    }
}

impl ScalarUDFImpl for Flink {
    fn name(&self) -> &str {
        self.def.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.def.coerce(given)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        match self.def.gives {
            Gives::Type(data_type) => Ok(data_type.arrow()),
            Gives::AsFirst => Ok(given[0].clone()),
            Gives::Of(rule) => rule(given),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let call = Call {
            name: self.def.name,
            args: &args.args,
            rows,
            result: args.return_field.data_type(),
        };
        let array = (self.def.run)(&call)?;
        if constant {
            ScalarValue::try_from_array(&array, 0).map(ColumnarValue::Scalar)
        } else {
            Ok(ColumnarValue::Array(array))
        }
    }
}
