//! The hint LOOKUP: how one lookup join asks its table, in place of the settings.

use std::{cmp::Ordering, fmt};

use datafusion_common::{DFSchemaRef, Result, internal_err};
use datafusion_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use weir_model::Location;

use crate::{
    error,
    parse::{hints::Hint, tokens::Name},
    settings::parse_duration,
};

/// What a hint says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct LookupHint {
    /// Batches that may be on their way at once.
    pub capacity: Option<u32>,
    /// How long a lookup may take, ms.
    pub timeout_ms: Option<u64>,
    /// How often a key without rows is asked for again.
    pub retries: u32,
    /// How long after it was asked for, ms.
    pub retry_delay_ms: u64,
    /// Whether rows are spread by their keys, so that each subtask asks for other ones.
    pub shuffles: bool,
}

/// A table that a hint says how to ask. Rows pass as they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HintedLookup {
    /// The table.
    pub input: LogicalPlan,
    /// How to ask it.
    pub hint: LookupHint,
    /// Where the hint stands.
    pub at: (u64, u64),
}

impl HintedLookup {
    /// Where the hint stands.
    pub(crate) fn place(&self) -> Location {
        Location {
            line: self.at.0,
            column: self.at.1,
        }
    }
}

impl PartialOrd for HintedLookup {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

// The trait ties the name to the node.
#[allow(clippy::unnecessary_literal_bound)]
impl UserDefinedLogicalNodeCore for HintedLookup {
    fn name(&self) -> &str {
        "HintedLookup"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn prevent_predicate_push_down_columns(&self) -> std::collections::HashSet<String> {
        std::collections::HashSet::new()
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HintedLookup: {:?}", self.hint)
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Some(input) = inputs.pop() else {
            return internal_err!("a hint without its table");
        };
        Ok(Self {
            input,
            ..self.clone()
        })
    }
}

const OPTIONS: [&str; 10] = [
    "table",
    "async",
    "output-mode",
    "capacity",
    "timeout",
    "retry-predicate",
    "retry-strategy",
    "fixed-delay",
    "max-attempts",
    "shuffle",
];
/// What a retry needs, all of it.
const OF_RETRY: [&str; 4] = ["retry-predicate", "retry-strategy", "fixed-delay", "max-attempts"];

/// Reads a hint: the table's name, and what is said of it.
pub(crate) fn read(hint: &Hint) -> error::Result<(&Name, LookupHint)> {
    let mut read = LookupHint::default();
    let mut table = None;
    for (key, value) in &hint.options {
        match key.value.as_str() {
            "table" => table = Some(value),
            // One question at a time.
            "async" if !flag(value)? => read.capacity = Some(1),
            "async" => {}
            "output-mode" => word(value, &["ordered", "allow_unordered"])?,
            "capacity" => read.capacity = Some(whole(value)?),
            "timeout" => read.timeout_ms = Some(duration(value)?),
            "retry-predicate" => word(value, &["lookup_miss"])?,
            "retry-strategy" => word(value, &["fixed_delay"])?,
            "fixed-delay" => read.retry_delay_ms = duration(value)?,
            "max-attempts" => read.retries = whole(value)?,
            "shuffle" => read.shuffles = flag(value)?,
            _ => return Err(error::unknown(key.at, "option of LOOKUP", &key.value, OPTIONS)),
        }
    }
    let is_given = |option: &&&str| hint.options.iter().any(|(key, _)| key.value == **option);
    let missing = OF_RETRY.iter().find(|option| !is_given(option));
    if let Some(missing) = missing.filter(|_| OF_RETRY.iter().any(|option| is_given(&option))) {
        return Err(error::invalid(
            hint.name.at,
            format!("a retry in LOOKUP needs '{missing}' too: {}", OF_RETRY.join(", ")),
        ));
    }
    let table = table.ok_or_else(|| {
        error::invalid(
            hint.name.at,
            "the hint LOOKUP names its table: LOOKUP('table' = 'customers', 'timeout' = '10 s')",
        )
    })?;
    Ok((table, read))
}

fn flag(value: &Name) -> error::Result<bool> {
    word(value, &["true", "false"])?;
    Ok(value.value.trim().eq_ignore_ascii_case("true"))
}

fn word(value: &Name, words: &[&str]) -> error::Result<()> {
    let text = value.value.trim();
    if words.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Ok(());
    }
    Err(error::invalid(
        value.at,
        format!("'{text}' is not one of {}", words.join(", ")),
    ))
}

fn whole(value: &Name) -> error::Result<u32> {
    let number = value
        .value
        .trim()
        .parse()
        .ok()
        .filter(|number| (1..=1 << 16).contains(number));
    number.ok_or_else(|| {
        error::invalid(
            value.at,
            format!("'{}' is not a whole number from 1 to 65536", value.value),
        )
    })
}

fn duration(value: &Name) -> error::Result<u64> {
    parse_duration(&value.value).filter(|ms| *ms > 0).ok_or_else(|| {
        error::invalid(
            value.at,
            format!("'{}' is no duration such as '10 s' or '1 min'", value.value),
        )
    })
}
