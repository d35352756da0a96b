//! To and from `weir-model`.
//!
//! Enums decode strictly: a number that this binary does not know is an error, never a default.

use arrow_schema::{DataType, Field, TimeUnit};
use weir_model::{
    EventTime, Failure, FailureClass, OperatorId, SubtaskIndex, TaskId,
    graph::{Column, Edge, Graph, Operator, OperatorKind, Partitioning},
};

use crate::{control, graph, schema};

/// A message that this binary cannot read: made by a newer one, or damaged.
#[derive(Debug, thiserror::Error)]
#[error("cannot read a message from another Weir process: {0}; are all processes of the same version?")]
pub struct Unreadable(pub String);

impl From<Failure> for control::Failure {
    fn from(failure: Failure) -> Self {
        let Failure {
            class,
            message,
            place,
            operator,
            operator_name,
            subtask,
        } = failure;
        let class = match class {
            FailureClass::User => control::FailureClass::User,
            FailureClass::External => control::FailureClass::External,
            FailureClass::Internal => control::FailureClass::Internal,
        };
        Self {
            class: class.into(),
            message,
            place,
            operator: operator.map(|id| id.0),
            operator_name,
            subtask: subtask.map(|index| index.0),
        }
    }
}

impl From<control::Failure> for Failure {
    fn from(failure: control::Failure) -> Self {
        let class = match failure.class() {
            control::FailureClass::User => FailureClass::User,
            control::FailureClass::External => FailureClass::External,
            control::FailureClass::Internal | control::FailureClass::Unspecified => FailureClass::Internal,
        };
        let control::Failure {
            class: _,
            message,
            place,
            operator,
            operator_name,
            subtask,
        } = failure;
        Self {
            class,
            message,
            place,
            operator: operator.map(OperatorId),
            operator_name,
            subtask: subtask.map(SubtaskIndex),
        }
    }
}

impl TryFrom<&graph::JobGraph> for Graph {
    type Error = Unreadable;

    fn try_from(job: &graph::JobGraph) -> Result<Self, Unreadable> {
        let operators = job
            .operators
            .iter()
            .map(operator)
            .collect::<Result<Vec<_>, _>>()?;
        let edges = job
            .edges
            .iter()
            .map(|e| edge(e, &operators))
            .collect::<Result<_, _>>()?;
        Ok(Self { operators, edges })
    }
}

fn operator(operator: &graph::Operator) -> Result<Operator, Unreadable> {
    let kind = match &operator.spec {
        Some(graph::operator::Spec::Source(_)) => OperatorKind::Source,
        Some(graph::operator::Spec::Calc(_)) => OperatorKind::Calc,
        Some(graph::operator::Spec::LocalWindowAggregate(_)) => OperatorKind::LocalWindowAggregate,
        Some(graph::operator::Spec::WindowAggregate(_)) => OperatorKind::WindowAggregate,
        Some(graph::operator::Spec::SessionAggregate(_)) => OperatorKind::SessionAggregate,
        Some(graph::operator::Spec::SessionTable(_)) => OperatorKind::SessionTable,
        Some(graph::operator::Spec::ProcessingTime(_)) => OperatorKind::ProcessingTime,
        Some(graph::operator::Spec::WindowTable(_)) => OperatorKind::WindowTable,
        Some(graph::operator::Spec::CountWindow(_)) => OperatorKind::CountWindow,
        Some(graph::operator::Spec::CountWindowAggregate(_)) => OperatorKind::CountWindowAggregate,
        Some(graph::operator::Spec::LocalGroupAggregate(_)) => OperatorKind::LocalGroupAggregate,
        Some(graph::operator::Spec::GroupAggregate(_)) => OperatorKind::GroupAggregate,
        Some(graph::operator::Spec::Join(_)) => OperatorKind::Join,
        Some(graph::operator::Spec::TemporalJoin(_)) => OperatorKind::TemporalJoin,
        Some(graph::operator::Spec::LookupJoin(_)) => OperatorKind::LookupJoin,
        Some(graph::operator::Spec::Union(_)) => OperatorKind::Union,
        Some(graph::operator::Spec::Unnest(_)) => OperatorKind::Unnest,
        Some(graph::operator::Spec::Rank(_)) => OperatorKind::Rank,
        Some(graph::operator::Spec::Sort(_)) => OperatorKind::Sort,
        Some(graph::operator::Spec::MatchRecognize(_)) => OperatorKind::MatchRecognize,
        Some(graph::operator::Spec::OverAggregate(_)) => OperatorKind::OverAggregate,
        Some(graph::operator::Spec::Sink(_)) => OperatorKind::Sink,
        None => {
            return Err(Unreadable(format!(
                "operator {} is of an unknown kind",
                operator.id
            )));
        }
    };
    let schema = schema::decode(&operator.schema)
        .map_err(|e| Unreadable(format!("the schema of operator {}: {e}", operator.id)))?;
    let output = schema
        .fields()
        .iter()
        .map(|f| Column {
            name: f.name().clone(),
            sql_type: sql_type(f.data_type()),
        })
        .collect();
    Ok(Operator {
        id: OperatorId(operator.id),
        uid: operator.uid.clone(),
        kind,
        name: operator.name.clone(),
        description: operator.description.clone(),
        task: TaskId(operator.task),
        parallelism: operator.parallelism,
        output,
    })
}

fn edge(edge: &graph::Edge, operators: &[Operator]) -> Result<Edge, Unreadable> {
    let partitioning = match &edge.partitioning {
        Some(graph::edge::Partitioning::Forward(_)) => Partitioning::Forward,
        Some(graph::edge::Partitioning::Rebalance(_)) => Partitioning::Rebalance,
        Some(graph::edge::Partitioning::Hash(keys)) => Partitioning::Hash {
            keys: key_names(edge, keys, operators)?,
        },
        None => {
            return Err(Unreadable(format!(
                "the edge {} -> {} has no partitioning",
                edge.from, edge.to
            )));
        }
    };
    let from_source = operators
        .get(edge.from as usize)
        .is_some_and(|operator| operator.kind == OperatorKind::Source);
    Ok(Edge {
        from: OperatorId(edge.from),
        to: OperatorId(edge.to),
        partitioning,
        late: edge.output > 0 && !from_source,
        dead_letters: edge.output > 0 && from_source,
    })
}

fn key_names(
    edge: &graph::Edge,
    keys: &graph::HashKeys,
    operators: &[Operator],
) -> Result<Vec<String>, Unreadable> {
    let output = &operators
        .get(edge.from as usize)
        .ok_or_else(|| {
            Unreadable(format!(
                "an edge from operator {}, which does not exist",
                edge.from
            ))
        })?
        .output;
    keys.columns
        .iter()
        .map(|&i| {
            output
                .get(i as usize)
                .map(|c| c.name.clone())
                .ok_or_else(|| Unreadable(format!("key column {i} of operator {} does not exist", edge.from)))
        })
        .collect()
}

/// A type as Flink SQL spells it.
pub fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INT".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Float32 => "FLOAT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTES".into(),
        DataType::Date32 | DataType::Date64 => "DATE".into(),
        DataType::Time32(_) | DataType::Time64(_) => "TIME".into(),
        DataType::Timestamp(unit, None) => format!("TIMESTAMP({})", digits(*unit)),
        DataType::Timestamp(unit, Some(_)) => format!("TIMESTAMP_LTZ({})", digits(*unit)),
        DataType::List(field) | DataType::LargeList(field) => {
            format!("ARRAY<{}>", sql_type(field.data_type()))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                format!(
                    "MAP<{}, {}>",
                    sql_type(fields[0].data_type()),
                    sql_type(fields[1].data_type())
                )
            }
            other => format!("MAP<{other}>"),
        },
        DataType::Struct(fields) => format!(
            "ROW<{}>",
            fields.iter().map(|f| row_field(f)).collect::<Vec<_>>().join(", ")
        ),
        other => other.to_string(),
    }
}

fn row_field(field: &Field) -> String {
    format!("{} {}", field.name(), sql_type(field.data_type()))
}

fn digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// A watermark as it is reported: none before the first.
pub fn watermark(watermark_ms: Option<i64>) -> Option<EventTime> {
    watermark_ms.map(EventTime)
}
