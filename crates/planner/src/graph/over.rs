//! Functions of the rows before each row, as workers compute them.

use arrow_schema::Schema;
use weir_proto::graph::{
    self,
    over_aggregate::Order,
    over_call::{self, Frame as GraphFrame},
};

use super::{aggregates, describe::order_by, sort_columns};
use crate::{
    encode,
    error::Result,
    physical::{
        frame::Start,
        over::{Function, Ordering, Over, OverCall},
    },
};

/// The operator.
pub(super) fn spec(over: &Over) -> Result<graph::OverAggregate> {
    let numbers = |columns: &[usize]| columns.iter().map(|c| *c as u32).collect();
    let order = match over.order {
        Ordering::EventTime => Order::EventTime,
        Ordering::Arrival => Order::Arrival,
        Ordering::Columns => Order::Columns,
    };
    Ok(graph::OverAggregate {
        keys: numbers(&over.keys),
        order: order.into(),
        order_by: sort_columns(&over.order_by),
        calls: over.calls.iter().map(call).collect::<Result<_>>()?,
        passed: numbers(&over.passed),
    })
}

fn call(call: &OverCall) -> Result<graph::OverCall> {
    let number = |column: Option<usize>| column.map(|column| column as u32);
    let function = match &call.function {
        Function::Aggregate(aggregate) => {
            let mut aggregates = aggregates(std::slice::from_ref(aggregate))?;
            aggregates.pop().map(over_call::Function::Aggregate)
        }
        Function::Own {
            kind,
            column,
            offset,
            default,
        } => Some(over_call::Function::Own(graph::OverFunction {
            kind: (*kind).into(),
            column: number(*column),
            offset: *offset,
            default_column: number(*default),
            result: encode::schema(&Schema::new(vec![call.result.clone()]))?,
        })),
    };
    Ok(graph::OverCall {
        function,
        with_peers: call.frame.with_peers,
        frame: match call.frame.start {
            Start::First => None,
            Start::Rows(rows) => Some(GraphFrame::RowsPreceding(rows)),
            Start::Range(ms) => Some(GraphFrame::RangePrecedingMs(ms)),
        },
    })
}

/// The operator in SQL's words, over columns of these names.
pub(super) fn text(over: &Over, columns: &[String]) -> String {
    let calls: Vec<String> = over
        .calls
        .iter()
        .map(|call| format!("{}{}", call.text, call.frame))
        .collect();
    let mut parts = vec![calls.join(", ")];
    if !over.keys.is_empty() {
        let keys: Vec<&str> = over.keys.iter().map(|key| columns[*key].as_str()).collect();
        parts.push(format!("PARTITION BY {}", keys.join(", ")));
    }
    parts.push(match over.order {
        Ordering::Arrival => "ORDER BY PROCTIME()".into(),
        Ordering::EventTime | Ordering::Columns => {
            format!("ORDER BY {}", order_by(&over.order_by, columns))
        }
    });
    parts.join(" ")
}
