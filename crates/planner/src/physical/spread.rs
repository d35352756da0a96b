//! Changes of a key to one writer of a sink, in their order.

use datafusion_expr::Expr;
use weir_connector::origin;

use super::{Kind, NodeId, Operators};

/// Spreads the rows of sinks that find rows by a key, unless an operator before them has done so already.
pub(crate) fn spread_sinks(operators: &mut Operators) {
    let ids: Vec<NodeId> = operators.iter().map(|(id, _)| id).collect();
    for id in ids {
        let Kind::Sink(sink) = &operators.get(id).kind else {
            continue;
        };
        let fields = sink.table.table.schema.fields().iter().enumerate();
        let keys: Vec<usize> = fields
            .filter(|(_, field)| origin::is_key(field))
            .map(|(i, _)| i)
            .collect();
        let is_apart = |spread: Vec<usize>| spread.iter().all(|column| keys.contains(column));
        if keys.is_empty() || spread_of(operators, sink.input).is_some_and(is_apart) {
            continue;
        }
        if let Kind::Sink(sink) = &mut operators.get_mut(id).kind {
            sink.spread_by = keys;
        }
    }
}

/// The columns by which an operator's rows are spread over subtasks; none if that is not known.
fn spread_of(operators: &Operators, id: NodeId) -> Option<Vec<usize>> {
    match &operators.get(id).kind {
        Kind::Calc(calc) => {
            let schema = &operators.get(calc.input).schema;
            let passed = |column: usize| {
                let name = schema.field(column).name();
                calc.columns
                    .iter()
                    .position(|(_, expr)| matches!(checked(expr), Expr::Column(read) if read.name == *name))
            };
            spread_of(operators, calc.input)?
                .into_iter()
                .map(passed)
                .collect()
        }
        Kind::Group(group) => Some((0..group.keys.len()).collect()),
        Kind::Window(aggregate) => Some((0..aggregate.keys.len()).collect()),
        Kind::Rank(rank) => Some(rank.keys.clone()),
        _ => None,
    }
}

/// What an expression gives if it only refuses some values.
fn checked(expr: &Expr) -> &Expr {
    match expr {
        Expr::ScalarFunction(call) if matches!(call.name(), "$NOT_NULL" | "$FITS") => {
            call.args.first().map_or(expr, checked)
        }
        _ => expr,
    }
}

#[cfg(test)]
mod tests {
    use weir_proto::graph::{edge::Partitioning, operator::Spec};

    use crate::{PlanOptions, script::unchecked};

    /// The columns by which rows are spread over the writers of a sink with these columns and this query; none if they stay where they are.
    async fn spread(columns: &str, query: &str) -> Option<Vec<u32>> {
        let sql = format!(
            "CREATE TABLE s (a INT, b INT, c INT) WITH ('connector' = 'datagen');
             CREATE TABLE t ({columns}) WITH ('connector' = 'jdbc', 'url' = 'jdbc:postgresql:x', 'table-name' = 't');
             INSERT INTO t {query};"
        );
        let options = PlanOptions {
            parallelism: Some(2),
            ..PlanOptions::default()
        };
        let graph = unchecked(&sql, options).await.expect(query).graph;
        let is_sink = |id: u32| matches!(graph.operators[id as usize].spec, Some(Spec::Sink(_)));
        let edge = graph.edges.iter().find(|edge| is_sink(edge.to)).expect("a sink");
        match edge.partitioning.clone().expect("a partitioning") {
            Partitioning::Hash(keys) => Some(keys.columns),
            _ => None,
        }
    }

    #[tokio::test]
    async fn changes_of_a_key_go_to_one_writer() {
        let check = async |key: &str, query: &str, expected: Option<&[u32]>| {
            let key = if key.is_empty() {
                String::new()
            } else {
                format!(", PRIMARY KEY ({key}) NOT ENFORCED")
            };
            let found = spread(&format!("x INT, n BIGINT{key}"), query).await;
            assert_eq!(found.as_deref(), expected, "{key} {query}");
        };
        check("", "SELECT a, b FROM s", None).await;
        check("x", "SELECT a, b FROM s", Some(&[0])).await;
        check("x", "SELECT a, COUNT(*) FROM s GROUP BY a", None).await;
        check("x, n", "SELECT a, COUNT(*) FROM s GROUP BY a", None).await;
        check("n", "SELECT a, COUNT(*) FROM s GROUP BY a", Some(&[1])).await;
        check("x", "SELECT a, COUNT(*) FROM s GROUP BY a, b", Some(&[0])).await;
        check(
            "n",
            "SELECT a + 1, b FROM (SELECT a, b, COUNT(*) FROM s GROUP BY a, b) WHERE a > 1",
            Some(&[1]),
        )
        .await;
        check(
            "x, n",
            "SELECT b, place FROM (SELECT b, ROW_NUMBER() OVER (PARTITION BY b ORDER BY c) AS place FROM s) WHERE place < 3",
            None,
        )
        .await;
    }
}
