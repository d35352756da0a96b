//! Joins as of a time as workers run them.

use weir_proto::graph;

use crate::{
    encode,
    error::Result,
    physical::temporal::{LookupJoin, TemporalJoin},
    settings::Lookups,
};

pub(super) fn versioned(join: &TemporalJoin, state_ttl_ms: u64) -> Result<graph::TemporalJoin> {
    let condition = join.condition.as_ref();
    Ok(graph::TemporalJoin {
        r#type: join.kind.into(),
        left_keys: numbers(&join.keys[0]),
        right_keys: numbers(&join.keys[1]),
        left_time: join.times[0] as u32,
        right_time: join.times[1] as u32,
        filter: condition
            .map(|condition| encode::expr(condition, join.both.as_arrow()))
            .transpose()?,
        output: numbers(&join.output),
        state_ttl_ms,
    })
}

pub(super) fn lookup(join: &LookupJoin, settings: Lookups) -> Result<graph::LookupJoin> {
    let condition = join.condition.as_ref();
    Ok(graph::LookupJoin {
        table: Some(encode::table(&join.table.table)?),
        r#type: join.kind.into(),
        table_keys: join.keys.iter().map(|(of_table, _)| *of_table as u32).collect(),
        input_keys: join.keys.iter().map(|(_, of_input)| *of_input as u32).collect(),
        lookup_schema: encode::schema(&join.scan)?,
        right: encode::projection(&join.right, &join.scan)?,
        filter: condition
            .map(|condition| encode::expr(condition, join.both.as_arrow()))
            .transpose()?,
        output: numbers(&join.output),
        capacity: join.hint.capacity.unwrap_or(settings.capacity),
        timeout_ms: join.hint.timeout_ms.unwrap_or(settings.timeout_ms),
        retries: join.hint.retries,
        retry_delay_ms: join.hint.retry_delay_ms,
    })
}

fn numbers(columns: &[usize]) -> Vec<u32> {
    columns.iter().map(|c| *c as u32).collect()
}
