//! Live numbers of a running job. Workers report each second; counters start at 0 with each execution.

use serde::{Deserialize, Serialize};

use crate::{EventTime, OperatorId, SubtaskIndex, TaskId};

/// All numbers of one job at one moment: what the console's live graph shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobMetrics {
    /// When these were put together, milliseconds since 1970.
    pub at_ms: i64,
    /// One entry per operator, summed or merged over its subtasks.
    pub operators: Vec<OperatorMetrics>,
    /// One entry per subtask of each task.
    pub subtasks: Vec<SubtaskMetrics>,
}

/// An operator's numbers, merged over its subtasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperatorMetrics {
    /// Which operator.
    pub operator: OperatorId,
    /// Rows received since the execution began. For a source: rows read.
    pub rows_in: u64,
    /// Rows emitted since the execution began. For a sink: rows written.
    pub rows_out: u64,
    /// Rows received per second over the last report.
    pub rows_in_per_s: f64,
    /// Rows emitted per second over the last report.
    pub rows_out_per_s: f64,
    /// Rows that came after their window had fired, and were not aggregated.
    pub late_rows: u64,
    /// Records that could not be parsed and were skipped, as the table asked.
    pub skipped_records: u64,
    /// Records that wait outside behind what a source has read; none where it does not know.
    pub lag_records: Option<u64>,
    /// The lowest watermark of its subtasks; none before the first.
    pub watermark: Option<EventTime>,
}

/// One subtask's numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SubtaskMetrics {
    /// Which task.
    pub task: TaskId,
    /// Which of its subtasks.
    pub subtask: SubtaskIndex,
    /// Share of the last second spent computing, 0 to 1.
    pub busy: f64,
    /// Share of the last second spent waiting for room downstream, 0 to 1.
    pub backpressured: f64,
    /// Share of the last second spent waiting for input, 0 to 1.
    pub idle: f64,
    /// The lowest of its input watermarks; none before the first.
    pub watermark: Option<EventTime>,
}
