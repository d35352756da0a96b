//! Options of a table that are the planner's and no connector's: where late rows go, and records that cannot be read.

use weir_connector::Connector;

use crate::{
    catalog::WatermarkDef,
    error::{self, Result},
    parse::{ddl::CreateTable, tokens::Name},
};

/// The table for late rows.
const LATE_SINK: &str = "late.sink";

/// Whether an option is one of these.
pub(crate) fn is_one(key: &str) -> bool {
    [LATE_SINK, DEAD_LETTER].contains(&key)
}

/// The table that rows go to which operators drop as late.
pub(crate) fn late_sink(ddl: &CreateTable, watermark: Option<&WatermarkDef>) -> Result<Option<Name>> {
    let given = ddl.options.iter().find(|(key, _)| key.value == LATE_SINK);
    match given {
        Some((key, _)) if watermark.is_none() => Err(error::invalid(
            key.at,
            format!(
                "table '{}' has no event time, so no row of it is late: declare WATERMARK FOR a column, or leave 'late.sink' out",
                ddl.name.value
            ),
        )),
        given => Ok(given.map(|(_, value)| value.clone())),
    }
}

/// The table for records that cannot be read.
const DEAD_LETTER: &str = "dead-letter";

/// The table that records go to which cannot be read.
pub(crate) fn dead_letter(ddl: &CreateTable, connector: &dyn Connector) -> Result<Option<Name>> {
    let given = |is_it: &dyn Fn(&str) -> bool| ddl.options.iter().find(|(key, _)| is_it(&key.value));
    let Some((key, table)) = given(&|key| key == DEAD_LETTER) else {
        return Ok(None);
    };
    if !connector.has_format() {
        return Err(error::invalid(
            key.at,
            format!(
                "tables of connector '{}' have no format in which a record could be bad: leave 'dead-letter' out",
                connector.name()
            ),
        ));
    }
    match given(&|key| key.ends_with("ignore-parse-errors")) {
        Some((other, skips)) if skips.value.trim().eq_ignore_ascii_case("true") => Err(error::invalid(
            key.at,
            format!(
                "'{}' = 'true' skips the records that 'dead-letter' is to keep: give one of the two",
                other.value
            ),
        )),
        _ => Ok(Some(table.clone())),
    }
}
