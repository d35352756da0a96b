//! The uids of operators: what a savepoint of one version of a query is matched by in the next one.
//!
//! A uid says where an operator stands and what it means: the sink that it feeds, its kind, and the columns that its rows are
//! spread by, traced back to where they are computed. `sink-per_host/window-aggregate(host)` stays the same when a
//! filter or a column is added downstream or upstream, a column is renamed on its way, an aggregate is added, or another
//! operator comes in beside it. Only operators of one kind and key that feed one sink are told apart by a number, in the order in which
//! they stand in the query.

use std::collections::HashMap;

use datafusion_expr::Expr;

use super::{Kind, NodeId, Operators, Partitioning, format::format_expr};

/// Gives every operator its uid, which until now says the sink and the kind alone.
pub(crate) fn identify(operators: &mut Operators) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let ids: Vec<NodeId> = operators.iter().map(|(id, _)| id).collect();
    for id in ids {
        let node = operators.get(id);
        if matches!(node.kind, Kind::Gone) {
            continue;
        }
        let mut uid = format!("{}{}", node.uid, meaning(operators, &node.kind));
        let count = seen.entry(uid.clone()).or_insert(0);
        *count += 1;
        if *count > 1 {
            uid = format!("{uid}-{count}");
        }
        operators.get_mut(id).uid = uid;
    }
}

/// The columns by which the rows of each input are spread; nothing for an operator that takes rows where they are.
fn meaning(operators: &Operators, kind: &Kind) -> String {
    let keys = kind.inputs().iter().enumerate().map(|(port, &input)| {
        let columns = match kind.partitioning(port) {
            Partitioning::Forward => return None,
            Partitioning::Hash(columns) => columns,
        };
        let origins = columns.iter().map(|&column| origin(operators, input, column));
        Some(origins.collect::<Vec<_>>().join(", "))
    });
    match keys.collect::<Option<Vec<String>>>() {
        Some(ports) if !ports.is_empty() => format!("({})", ports.join("; ")),
        _ => String::new(),
    }
}

/// What an operator's column is: the column of a table, or the expression that computes it.
fn origin(operators: &Operators, id: NodeId, column: usize) -> String {
    let node = operators.get(id);
    match &node.kind {
        Kind::Calc(calc) => match calc.columns.get(column) {
            Some((_, Expr::Column(read))) => {
                match operators
                    .get(calc.input)
                    .schema
                    .index_of_column_by_name(None, &read.name)
                {
                    Some(below) => origin(operators, calc.input, below),
                    None => read.name.clone(),
                }
            }
            Some((_, expr)) => format_expr(expr),
            None => node.schema.field(column).name().clone(),
        },
        Kind::LocalWindow(phase) | Kind::Window(phase) if column < phase.keys.len() => {
            let key = if phase.reads_raw() || matches!(node.kind, Kind::LocalWindow(_)) {
                phase.keys[column]
            } else {
                column
            };
            origin(operators, phase.input, key)
        }
        Kind::CountAggregate(aggregate) if column < aggregate.keys.len() => {
            origin(operators, aggregate.input, aggregate.keys[column])
        }
        Kind::LocalGroup(group) | Kind::Group(group) if column < group.keys.len() => {
            origin(operators, group.input, group.input_keys()[column])
        }
        Kind::Unnest(unnest) if column < unnest.passed.len() => {
            origin(operators, unnest.input, unnest.passed[column])
        }
        Kind::LookupJoin(join) => match join.output.get(column) {
            // The first columns are the input's.
            Some(&from) if from < join.both.fields().len() - join.right.len() => {
                origin(operators, join.input, from)
            }
            _ => node.schema.field(column).name().clone(),
        },
        Kind::TemporalJoin(join) => {
            let left = operators.get(join.inputs[0]).schema.fields().len();
            match join.output.get(column) {
                Some(&from) if from < left => origin(operators, join.inputs[0], from),
                Some(&from) => origin(operators, join.inputs[1], from - left),
                None => node.schema.field(column).name().clone(),
            }
        }
        Kind::Over(over) if column < over.passed.len() => origin(operators, over.input, over.passed[column]),
        _ => node.schema.field(column).name().clone(),
    }
}
