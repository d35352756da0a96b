//! What an export's name says of an aggregate: `aggregate spread(DOUBLE) -> DOUBLE state 16`.

use std::fmt;

use arrow_schema::DataType;

use super::super::signature::{core_type, data_type, is_name, parts, type_name, types};

/// The largest state of a group, in bytes.
const MAX_STATE_BYTES: usize = 4096;

/// An aggregate's name and types.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AggregateSignature {
    /// Its name in the module.
    pub name: String,
    /// The types of its arguments: numbers, STRING and BYTES.
    pub arguments: Vec<DataType>,
    /// The type of its result, a number.
    pub result: DataType,
    /// How many bytes the state of a group has.
    pub state_bytes: usize,
}

/// Whether an export's name is that of an aggregate.
pub(crate) fn is_one(export: &str) -> bool {
    let word = export.split_whitespace().next().unwrap_or_default();
    word.eq_ignore_ascii_case("aggregate") && export.contains('(')
}

impl AggregateSignature {
    /// Reads the name of an export that is an aggregate's.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(export: &str) -> Result<Self, String> {
        Self::read(export).map_err(|reason| format!("the export \"{export}\" is no signature: {reason}"))
    }

    fn read(text: &str) -> Result<Self, String> {
        const FORM: &str = "write aggregate name(TYPE, TYPE) -> TYPE state BYTES";
        let (head, arguments, rest) = parts(text).ok_or(FORM)?;
        let name = match head.split_whitespace().collect::<Vec<_>>().as_slice() {
            [_, name] if is_name(name) => (*name).to_owned(),
            _ => return Err(FORM.into()),
        };
        let (result, state_bytes) = state(rest).ok_or(FORM)?;
        if !(1..=MAX_STATE_BYTES).contains(&state_bytes) {
            return Err(format!("the state of a group has 1 to {MAX_STATE_BYTES} bytes"));
        }
        let (arguments, result) = (types(arguments)?, data_type(result)?);
        if arguments.is_empty() {
            return Err("an aggregate has an argument at least".into());
        }
        if let Some(wide) = arguments.iter().find(|t| core_type(t).is_none() && !is_text(t)) {
            return Err(format!(
                "a value of type {} cannot be an argument of an aggregate",
                type_name(wide)
            ));
        }
        if core_type(&result).is_none() {
            return Err(format!(
                "a value of type {} cannot be its result",
                type_name(&result)
            ));
        }
        Ok(Self {
            name,
            arguments,
            result,
            state_bytes,
        })
    }
}

/// Whether values are given as an address and a number of bytes.
pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Binary)
}

/// `DOUBLE state 16`
fn state(text: &str) -> Option<(&str, usize)> {
    let (rest, bytes) = text.rsplit_once(char::is_whitespace)?;
    let (result, word) = rest.trim_end().rsplit_once(char::is_whitespace)?;
    let is_state = word.eq_ignore_ascii_case("state");
    Some((result.trim(), bytes.parse().ok().filter(|_| is_state)?))
}

impl fmt::Display for AggregateSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments: Vec<_> = self.arguments.iter().map(type_name).collect();
        write!(
            f,
            "aggregate {}({}) -> {} state {}",
            self.name,
            arguments.join(", "),
            type_name(&self.result),
            self.state_bytes
        )
    }
}
