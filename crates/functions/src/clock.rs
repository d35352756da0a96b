//! Functions of the clock and of the watermark. They compute nothing: whoever runs an expression puts in their place what the
//! runtime says, one reading per batch.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use datafusion_common::{Result, ScalarValue, internal_err};

use crate::{
    call::Call,
    define::{DATE, Def, Gives, LONG, TIME, TIMESTAMP, TIMESTAMP_LTZ, Takes, def},
};

/// The type of the argument.
const FIRST: Gives = Gives::Of(|types| Ok(types[0].clone()));

pub(crate) const FUNCTIONS: &[Def] = &[
    def("CURRENT_DATE", &[], DATE, unread).volatile(),
    def("CURRENT_ROW_TIMESTAMP", &[], TIMESTAMP_LTZ, unread).volatile(),
    def("CURRENT_TIME", &[], TIME, unread).volatile(),
    def("CURRENT_TIMESTAMP", &[], TIMESTAMP_LTZ, unread).volatile(),
    def("CURRENT_WATERMARK", &[Takes::Time], FIRST, unread).volatile(),
    def("LOCALTIME", &[], TIME, unread).volatile(),
    def("LOCALTIMESTAMP", &[], TIMESTAMP, unread).volatile(),
    def("NOW", &[], TIMESTAMP_LTZ, unread).volatile(),
    def("PROCTIME", &[], TIMESTAMP_LTZ, unread).volatile(),
    def("$UNIX_TIMESTAMP", &[], LONG, unread).volatile(),
];

/// What the runtime says to the expressions that it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The time, ms since 1970.
    pub now_ms: i64,
    /// How far event time has come, ms since 1970; none: nowhere yet.
    pub watermark_ms: Option<i64>,
}

/// Whether the function is one of these.
pub fn is_clock(function: &str) -> bool {
    FUNCTIONS.iter().any(|def| def.name == function)
}

impl Reading {
    /// What a function of [these](is_clock) gives, of the type that it was planned with.
    ///
    /// # Errors
    /// For a type that the function never gives.
    pub fn value(self, function: &str, data_type: &DataType) -> Result<ScalarValue> {
        const DAY_MS: i64 = 86_400_000;
        let seconds = self.now_ms.div_euclid(1000);
        Ok(match function {
            "CURRENT_DATE" => ScalarValue::Date32(i32::try_from(self.now_ms.div_euclid(DAY_MS)).ok()),
            "CURRENT_TIME" | "LOCALTIME" => {
                ScalarValue::Time32Second(i32::try_from(seconds.rem_euclid(DAY_MS / 1000)).ok())
            }
            "$UNIX_TIMESTAMP" => ScalarValue::Int64(Some(seconds)),
            "CURRENT_WATERMARK" => {
                // As a moment first: a watermark of another unit is scaled.
                return ScalarValue::TimestampMillisecond(self.watermark_ms, None).cast_to(data_type);
            }
            _ => match data_type {
                DataType::Timestamp(_, zone) => {
                    ScalarValue::TimestampMillisecond(Some(self.now_ms), zone.clone())
                }
                other => return internal_err!("{function} gives no {other}"),
            },
        })
    }
}

fn unread(call: &Call<'_>) -> Result<ArrayRef> {
    internal_err!("{} stands where no runtime says the time", call.name)
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;

    use super::*;

    fn text(function: &str, now_ms: i64) -> String {
        let planned = crate::function(function).expect("it is there").return_type(&[]);
        let data_type = planned.expect("it has a type");
        let value = Reading {
            now_ms,
            watermark_ms: None,
        }
        .value(function, &data_type)
        .expect("it can be read");
        assert_eq!(
            value.data_type(),
            data_type,
            "{function} gives the type that it says"
        );
        let text = value.cast_to(&DataType::Utf8).expect("a text");
        text.to_string()
    }

    #[test]
    fn one_reading_gives_each_function_its_type() {
        let now = 1_709_287_200_999;
        assert_eq!(text("CURRENT_TIMESTAMP", now), "2024-03-01T10:00:00.999Z");
        assert_eq!(text("NOW", now), "2024-03-01T10:00:00.999Z");
        assert_eq!(text("PROCTIME", now), "2024-03-01T10:00:00.999Z");
        assert_eq!(text("LOCALTIMESTAMP", now), "2024-03-01T10:00:00.999");
        assert_eq!(text("CURRENT_DATE", now), "2024-03-01");
        assert_eq!(text("CURRENT_TIME", now), "10:00:00");
        assert_eq!(text("LOCALTIME", now), "10:00:00");
        assert_eq!(text("$UNIX_TIMESTAMP", now), "1709287200");
        assert_eq!(text("CURRENT_DATE", -1), "1969-12-31");
        assert_eq!(text("CURRENT_TIME", -1), "23:59:59");
    }

    #[test]
    fn a_watermark_is_null_before_the_first_and_of_the_columns_type() {
        let ltz = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let at = |watermark_ms| {
            Reading {
                now_ms: 0,
                watermark_ms,
            }
            .value("CURRENT_WATERMARK", &ltz)
        };
        assert_eq!(
            at(Some(7)).expect("a moment"),
            ScalarValue::TimestampMillisecond(Some(7), Some("UTC".into()))
        );
        assert!(at(None).expect("a moment").is_null());
    }

    #[test]
    fn nobody_folds_them_into_constants() {
        for def in FUNCTIONS {
            let function = crate::function(def.name).expect("it is there");
            assert_eq!(
                function.signature().volatility,
                datafusion_expr::Volatility::Volatile
            );
        }
    }
}
