//! Workers' words about checkpoints as a coordinator hears them.

use weir_checkpoint::{
    coordinator::{Cost, Event, Subtask},
    manifest::{CheckpointId, Files, SubtaskState},
};
use weir_model::Failure;
use weir_proto::control::{
    CheckpointReport, CommitReport, SubtaskSnapshot, TaskReport, checkpoint_report::Outcome,
};

/// What a subtask made of the barrier of a checkpoint.
pub fn of_checkpoint(report: CheckpointReport) -> Event {
    let CheckpointReport {
        job_id: _,
        generation: _,
        checkpoint,
        task,
        subtask,
        outcome,
    } = report;
    let (subtask, checkpoint) = (Subtask { task, subtask }, CheckpointId(checkpoint));
    let snapshot = match outcome {
        Some(Outcome::Snapshot(snapshot)) => of_snapshot(&snapshot),
        Some(Outcome::Failure(failure)) => Err(failure.into()),
        None => Err(Failure::internal("the worker did not say what came of it")),
    };
    match snapshot {
        Ok((state, cost)) => Event::Snapshot {
            subtask,
            checkpoint,
            state,
            cost,
        },
        Err(why) => Event::SnapshotFailed {
            subtask,
            checkpoint,
            why,
        },
    }
}

fn of_snapshot(snapshot: &SubtaskSnapshot) -> Result<(SubtaskState, Cost), Failure> {
    let SubtaskSnapshot {
        state,
        alignment_us,
        sync_us,
        async_us,
        bytes_new,
        bytes_full,
        bytes_in_flight,
    } = snapshot;
    let cost = Cost {
        alignment_us: *alignment_us,
        sync_us: *sync_us,
        async_us: *async_us,
        bytes_new: *bytes_new,
        bytes_full: *bytes_full,
        bytes_in_flight: *bytes_in_flight,
    };
    Ok((parse(state)?, cost))
}

fn parse(state: &[u8]) -> Result<SubtaskState, Failure> {
    serde_json::from_slice(state).map_err(|error| {
        Failure::internal(format!(
            "the state that the worker told of is unreadable: {error}"
        ))
    })
}

/// Whether a subtask has committed.
pub fn of_commit(report: CommitReport) -> Event {
    let CommitReport {
        job_id: _,
        generation: _,
        checkpoint,
        task,
        subtask,
        failure,
    } = report;
    let (subtask, checkpoint) = (Subtask { task, subtask }, CheckpointId(checkpoint));
    match failure {
        None => Event::Committed { subtask, checkpoint },
        Some(failure) => Event::CommitFailed {
            subtask,
            checkpoint,
            why: failure.into(),
        },
    }
}

/// That a subtask has finished. One that tells of no state keeps none and has nothing to commit.
pub fn of_end(report: &TaskReport) -> Event {
    let subtask = Subtask {
        task: report.task,
        subtask: report.subtask,
    };
    let none = || SubtaskState {
        task: report.task,
        subtask: report.subtask,
        key_groups: 0..0,
        finished: true,
        operators: Vec::new(),
        files: Files::default(),
        in_flight: None,
    };
    let state = match report.final_state.as_deref().map(parse) {
        Some(Ok(state)) => state,
        None => none(),
        Some(Err(why)) => return Event::Ended(why),
    };
    Event::Finished {
        subtask,
        state,
        passed: report.passed_checkpoint.map(CheckpointId),
    }
}
