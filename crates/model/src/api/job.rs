//! Bodies about jobs.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Attempt, Failure, JobId, Phase, SavepointId, SubtaskIndex, TaskId, WorkerId, metrics::JobMetrics,
};

/// A job to start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateJob {
    /// The script: DDL, `SET`, and `INSERT INTO` or one statement set.
    pub sql: String,
    /// A name for people. Default: the script's `pipeline.name` setting, else made from the sink's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Subtasks per operator, 1 to 1024 (the number of key groups). Default: the script's `parallelism.default`
    /// setting, else 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
    /// The savepoint that it begins with. Default: none, it begins empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<SavepointId>,
    /// Whether state of the savepoint that no operator wants may be left behind. Default: false, such a job is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_dropped_state: bool,
    /// Whether it is to be looked at alone: refused, if it would write anywhere else than to its own output. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preview: bool,
}

/// A job as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its name; not unique.
    pub name: String,
    /// Where it stands.
    pub phase: Phase,
    /// Why it stands there, for people: `waiting for 2 slots: 4 needed, 2 free`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase_reason: Option<String>,
    /// Subtasks per operator, and slots that it takes.
    pub parallelism: u32,
    /// The version of its SQL, from 1.
    pub version: u32,
    /// The current or last execution; 0 before the first.
    pub attempt: Attempt,
    /// Why it failed, or why it last restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The script.
    pub sql: String,
    /// When it was accepted, milliseconds since 1970.
    pub created_at_ms: i64,
    /// When its first execution started running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at_ms: Option<i64>,
    /// When it reached a terminal phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at_ms: Option<i64>,
    /// When the backoff ends, while restarting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_at_ms: Option<i64>,
    /// The parallelism that it is on its way to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescale_to: Option<u32>,
    /// The savepoint that it began with, or that it was stopped with last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savepoint: Option<SavepointId>,
    /// The last checkpoint or savepoint that was completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_checkpoint: Option<u64>,
    /// The checkpoint that the current or last execution began with; none when it began empty or with the savepoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_from: Option<u64>,
}

/// Jobs, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobList {
    /// The newest first. `sql` is the empty string in a list.
    pub jobs: Vec<Job>,
}

/// One entry of the audit trail: who or what did what to which job, when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Grows with time, over all jobs.
    pub id: i64,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Who or what: `user`, `control-plane`, `worker 0192…`.
    pub actor: String,
    /// The job, unless it is about the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// What: a stable word such as `job_created`, `execution_started`, `task_failed`, `worker_lost`.
    pub kind: String,
    /// The same for people.
    pub message: String,
}

/// Events, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventList {
    /// The newest first, at most 500.
    pub events: Vec<Event>,
}

/// One execution of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Execution {
    /// Its number, from 1.
    pub attempt: Attempt,
    /// When it was deployed.
    pub started_at_ms: i64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at_ms: Option<i64>,
    /// Why it ended, unless it finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Where its subtasks ran.
    pub placement: Vec<Placement>,
}

/// Where one subtask runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Placement {
    /// The task.
    pub task: TaskId,
    /// The subtask.
    pub subtask: SubtaskIndex,
    /// The worker.
    pub worker: WorkerId,
}

/// Executions, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecutionList {
    /// The newest first.
    pub executions: Vec<Execution>,
}

/// The last rows that a job's `print` sinks wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Output {
    /// Rows that `print` sinks wrote in the current or last execution.
    pub total_rows: u64,
    /// The last of them, at most 1000, the oldest first.
    pub rows: Vec<OutputRow>,
}

/// One printed row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutputRow {
    /// The sink table's name.
    pub table: String,
    /// The row as a JSON object, in column order.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub row: RowText,
}

/// A JSON object kept as it was written: reading numbers and writing them again could change a double's last digit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowText(Box<RawValue>);

impl RowText {
    /// The text of one JSON value.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn new(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Self)
    }

    /// The cells by column, in column order; nothing when it is not an object.
    pub fn cells(&self) -> serde_json::Map<String, serde_json::Value> {
        serde_json::from_str(self.0.get()).unwrap_or_default()
    }
}

impl PartialEq for RowText {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for RowText {}

impl fmt::Display for RowText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get())
    }
}

/// What `/jobs/{id}/stream` sends: a whole picture, about one a second and at each change of phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveUpdate {
    /// The job; its `sql` is the empty string.
    pub job: Job,
    /// Its numbers.
    pub metrics: JobMetrics,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_row_keeps_every_digit_and_the_order_of_its_columns() {
        let text = r#"{"table":"t","row":{"z":9.522727272727273,"a":12345678901234567890123}}"#;
        let row: OutputRow = serde_json::from_str(text).expect("a row");
        assert_eq!(
            row.row.to_string(),
            r#"{"z":9.522727272727273,"a":12345678901234567890123}"#
        );
        assert_eq!(serde_json::to_string(&row).expect("writes"), text);
        assert_eq!(row.row.cells().keys().collect::<Vec<_>>(), ["z", "a"]);
    }
}
