//! The functions of Flink's SQL that run, and which of DataFusion's each one is.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use datafusion_expr::ScalarUDF;

/// Flink's name (lowercase) and DataFusion's. Only functions that mean the same in both, or that
/// [`desugar`](crate::parse::desugar) makes mean the same.
const SCALAR: &[(&str, &str)] = &[
    ("abs", "abs"),
    ("acos", "acos"),
    ("asin", "asin"),
    ("atan", "atan"),
    ("atan2", "atan2"),
    ("cbrt", "cbrt"),
    ("ceil", "ceil"),
    ("ceiling", "ceil"),
    ("char_length", "character_length"),
    ("character_length", "character_length"),
    ("coalesce", "coalesce"),
    ("cos", "cos"),
    ("cosh", "cosh"),
    ("cot", "cot"),
    ("degrees", "degrees"),
    ("exp", "exp"),
    ("floor", "floor"),
    ("greatest", "greatest"),
    ("ifnull", "nvl"),
    ("least", "least"),
    ("ln", "ln"),
    ("log10", "log10"),
    ("log2", "log2"),
    ("lower", "lower"),
    ("nullif", "nullif"),
    ("pi", "pi"),
    ("power", "power"),
    ("radians", "radians"),
    ("round", "round"),
    ("sign", "signum"),
    ("sin", "sin"),
    ("sinh", "sinh"),
    ("sqrt", "sqrt"),
    ("tan", "tan"),
    ("tanh", "tanh"),
    ("truncate", "trunc"),
    ("upper", "upper"),
];

/// Other names of functions.
const ALIASES: &[(&str, &str)] = &[
    ("SUBSTR", "SUBSTRING"),
    ("TRIM", "BTRIM"),
    ("RLIKE", "REGEXP"),
    ("POSITION", "LOCATE"),
];

/// Functions that are rewritten to operators and other functions before planning.
const REWRITTEN: &[&str] = &[
    "mod",
    "if",
    "timestampadd",
    "timestampdiff",
    "json_value",
    "json_query",
    "json_exists",
    "json_array",
    "json_object",
    "json",
];

/// What windows need.
const INTERNAL: &[&str] = &["date_bin"];

/// The aggregate functions.
pub(crate) const AGGREGATES: &[&str] = &[
    "array_agg",
    "avg",
    "collect",
    "count",
    "first_value",
    "grouping",
    "grouping_id",
    "json_arrayagg",
    "json_objectagg",
    "last_value",
    "listagg",
    "max",
    "min",
    "percentile",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
];

/// Which keys a row of grouping sets leaves out: planned away.
pub(crate) const GROUPING: &[&str] = &["grouping", "grouping_id"];

static BY_NAME: LazyLock<HashMap<String, Arc<ScalarUDF>>> = LazyLock::new(weir_functions::registry);

/// The function of that name, in any case: one with Flink's semantics, or DataFusion's where that has them.
pub(crate) fn scalar(name: &str) -> Option<Arc<ScalarUDF>> {
    let upper = name.to_uppercase();
    let own = ALIASES
        .iter()
        .find(|(alias, _)| *alias == upper)
        .map_or(upper.as_str(), |(_, own)| own);
    if let Some(function) = weir_functions::function(own) {
        return Some(Arc::clone(function));
    }
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
    scalar_names().any(|known| known.eq_ignore_ascii_case(name))
}

fn scalar_names() -> impl Iterator<Item = &'static str> {
    let own = weir_functions::all().iter().map(|function| function.name());
    SCALAR
        .iter()
        .map(|(flink, _)| *flink)
        .chain(REWRITTEN.iter().copied())
        .chain(ALIASES.iter().map(|(alias, _)| *alias))
        .chain(own.filter(|name| !name.starts_with('$')))
}

/// Whether it is an aggregate function that runs.
pub(crate) fn is_aggregate(name: &str) -> bool {
    AGGREGATES
        .iter()
        .any(|aggregate| name.eq_ignore_ascii_case(aggregate))
}

/// The names that people may call, as they write them.
pub(crate) fn names() -> Vec<String> {
    scalar_names()
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
        "APPROX_COUNT_DISTINCT" => Some(format!(
            "the function {upper} is not supported, as in Flink's streaming: write COUNT(DISTINCT value)"
        )),
        "RANK" | "DENSE_RANK" | "ROW_NUMBER" | "LAG" | "LEAD" | "NTILE" => Some(format!(
            "the function {upper} is not supported yet: COUNT, SUM, MIN, MAX and AVG are"
        )),
        "SOURCE_WATERMARK" => Some(
            "no connector says by itself how far event time has come, which SOURCE_WATERMARK() would pass on: write what a row says of it, \
             as in WATERMARK FOR ts AS ts - INTERVAL '5' SECOND"
                .to_owned(),
        ),
        "HASH_CODE" => Some(format!(
            "the function {upper} is not supported, as its values are those of Flink's memory: use MD5 or SHA256"
        )),
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
