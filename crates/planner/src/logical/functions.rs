//! The functions of Flink's SQL that run, and which of DataFusion's each one is.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use datafusion_expr::ScalarUDF;
use datafusion_functions::all_default_functions;

/// Flink's name (lowercase) and DataFusion's. Only functions that mean the same in both, or that
/// [`desugar`](crate::parse::desugar) makes mean the same.
const SCALAR: &[(&str, &str)] = &[
    ("abs", "abs"),
    ("acos", "acos"),
    ("ascii", "ascii"),
    ("asin", "asin"),
    ("atan", "atan"),
    ("atan2", "atan2"),
    ("btrim", "btrim"),
    ("cbrt", "cbrt"),
    ("ceil", "ceil"),
    ("ceiling", "ceil"),
    ("char_length", "character_length"),
    ("character_length", "character_length"),
    ("chr", "chr"),
    ("coalesce", "coalesce"),
    ("concat_ws", "concat_ws"),
    ("cos", "cos"),
    ("cosh", "cosh"),
    ("cot", "cot"),
    ("degrees", "degrees"),
    ("endswith", "ends_with"),
    ("exp", "exp"),
    ("floor", "floor"),
    ("ifnull", "nvl"),
    ("initcap", "initcap"),
    ("instr", "strpos"),
    ("left", "left"),
    ("ln", "ln"),
    ("log10", "log10"),
    ("log2", "log2"),
    ("lower", "lower"),
    ("lpad", "lpad"),
    ("ltrim", "ltrim"),
    ("md5", "md5"),
    ("nullif", "nullif"),
    ("overlay", "overlay"),
    ("pi", "pi"),
    ("position", "strpos"),
    ("power", "power"),
    ("radians", "radians"),
    ("regexp", "regexp_like"),
    ("regexp_replace", "regexp_replace"),
    ("repeat", "repeat"),
    ("replace", "replace"),
    ("reverse", "reverse"),
    ("right", "right"),
    ("round", "round"),
    ("rpad", "rpad"),
    ("rtrim", "rtrim"),
    ("sign", "signum"),
    ("sin", "sin"),
    ("sinh", "sinh"),
    ("sqrt", "sqrt"),
    ("startswith", "starts_with"),
    ("substr", "substr"),
    ("substring", "substr"),
    ("tan", "tan"),
    ("tanh", "tanh"),
    ("translate", "translate"),
    ("trim", "btrim"),
    ("truncate", "trunc"),
    ("upper", "upper"),
];

/// Functions that are rewritten to operators and other functions before planning.
pub(crate) const REWRITTEN: &[&str] = &[
    "mod",
    "concat",
    "if",
    "year",
    "quarter",
    "month",
    "week",
    "dayofmonth",
    "dayofyear",
    "hour",
    "minute",
    "second",
    "date_format",
    "to_timestamp_ltz",
];

/// What the rewriting itself needs.
const INTERNAL: &[&str] = &["date_part", "to_char", "date_bin"];

/// The aggregate functions.
pub(crate) const AGGREGATES: &[&str] = &["count", "sum", "min", "max", "avg"];

static BY_NAME: LazyLock<HashMap<String, Arc<ScalarUDF>>> = LazyLock::new(|| {
    let mut by_name = HashMap::new();
    for function in all_default_functions() {
        for alias in function.aliases() {
            by_name.insert(alias.clone(), Arc::clone(&function));
        }
        by_name.insert(function.name().to_owned(), Arc::clone(&function));
    }
    by_name
});

/// The function of that name, in any case.
pub(crate) fn scalar(name: &str) -> Option<Arc<ScalarUDF>> {
    let name = name.to_lowercase();
    let target = SCALAR
        .iter()
        .find(|(flink, _)| *flink == name)
        .map(|(_, datafusion)| *datafusion)
        .or_else(|| INTERNAL.iter().copied().find(|internal| *internal == name))?;
    BY_NAME.get(target).cloned()
}

/// All scalar functions by the names that serialized expressions use, as workers have them.
pub(crate) fn registry() -> HashMap<String, Arc<ScalarUDF>> {
    BY_NAME.clone()
}

/// Whether people may call it.
pub(crate) fn is_scalar(name: &str) -> bool {
    let name = name.to_lowercase();
    REWRITTEN.contains(&name.as_str()) || SCALAR.iter().any(|(flink, _)| *flink == name)
}

/// Whether it is an aggregate function that runs.
pub(crate) fn is_aggregate(name: &str) -> bool {
    AGGREGATES
        .iter()
        .any(|aggregate| name.eq_ignore_ascii_case(aggregate))
}

/// The names that people may call, as they write them.
pub(crate) fn names() -> Vec<String> {
    SCALAR
        .iter()
        .map(|(flink, _)| *flink)
        .chain(REWRITTEN.iter().copied())
        .chain(AGGREGATES.iter().copied())
        .map(str::to_uppercase)
        .collect()
}

/// Why a function of Flink's does not run yet, and what to use.
pub(crate) fn refusal(name: &str) -> Option<String> {
    let upper = name.to_uppercase();
    match upper.as_str() {
        "TUMBLE" | "TUMBLE_START" | "TUMBLE_END" | "TUMBLE_ROWTIME" | "HOP" | "HOP_START" | "HOP_END"
        | "HOP_ROWTIME" | "SESSION" | "SESSION_START" | "SESSION_END" | "SESSION_ROWTIME" => Some(format!(
            "{upper} in a GROUP BY is not supported yet: write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) and GROUP BY window_start, window_end"
        )),
        "STDDEV_POP" | "STDDEV_SAMP" | "VAR_POP" | "VAR_SAMP" | "VARIANCE" | "COLLECT" | "LISTAGG"
        | "FIRST_VALUE" | "LAST_VALUE" | "ARRAY_AGG" | "RANK" | "DENSE_RANK" | "ROW_NUMBER" | "LAG"
        | "LEAD" | "NTILE" => Some(format!(
            "the function {upper} is not supported yet: COUNT, SUM, MIN, MAX and AVG are"
        )),
        "CURRENT_WATERMARK"
        | "PROCTIME"
        | "NOW"
        | "CURRENT_TIMESTAMP"
        | "LOCALTIMESTAMP"
        | "CURRENT_DATE"
        | "CURRENT_TIME"
        | "LOCALTIME"
        | "CURRENT_ROW_TIMESTAMP"
        | "UNIX_TIMESTAMP"
        | "TO_TIMESTAMP"
        | "TO_DATE"
        | "FROM_UNIXTIME"
        | "TIMESTAMPADD"
        | "TIMESTAMPDIFF"
        | "REGEXP_EXTRACT"
        | "SPLIT_INDEX"
        | "LOCATE"
        | "RAND"
        | "RAND_INTEGER"
        | "UUID"
        | "GREATEST"
        | "LEAST"
        | "HASH_CODE"
        | "JSON_VALUE"
        | "JSON_QUERY"
        | "JSON_EXISTS"
        | "TYPEOF"
        | "DAYOFWEEK"
        | "CARDINALITY"
        | "ELEMENT" => Some(format!("the function {upper} is not supported yet")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_function_exists_in_datafusion() {
        for (flink, _) in SCALAR {
            assert!(scalar(flink).is_some(), "{flink}");
        }
        for internal in INTERNAL {
            assert!(scalar(internal).is_some(), "{internal}");
        }
    }
}
