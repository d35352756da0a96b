//! Stories of one deployment, as tables: seconds, what happens, what is asked for.

mod chance;
mod regions;
mod stories;

use std::time::Duration;

use weir_model::Failure;

use super::*;
use crate::manifest::OperatorState;

/// Two sources and the sink behind them, as stories call them.
const SUBTASKS: [(&str, Subtask); 3] = [
    ("a", Subtask { task: 0, subtask: 0 }),
    ("b", Subtask { task: 0, subtask: 1 }),
    ("s", Subtask { task: 1, subtask: 0 }),
];

pub(super) const SETTINGS: Settings = Settings {
    interval: Duration::from_secs(10),
    timeout: Duration::from_mins(1),
    min_pause: Duration::ZERO,
    tolerable_failures: 1,
    retained: 2,
};

pub(super) fn deployment() -> Deployment {
    Deployment {
        job: "job".to_owned(),
        generation: 3,
        weir_version: "1".to_owned(),
        max_parallelism: 1024,
        subtasks: SUBTASKS.iter().map(|(_, subtask)| *subtask).collect(),
        retained: vec![],
        next: CheckpointId(1),
    }
}

pub(super) fn subtask(name: &str) -> Subtask {
    let known = SUBTASKS.iter().find(|(known, _)| *known == name);
    known.unwrap_or_else(|| panic!("there is no subtask '{name}'")).1
}

fn name_of(subtask: Subtask) -> &'static str {
    SUBTASKS
        .iter()
        .find(|(_, known)| *known == subtask)
        .expect("a known one")
        .0
}

/// A state whose one operator has something to commit, if anything.
pub(super) fn state(commits: &[&str]) -> SubtaskState {
    SubtaskState {
        task: 9,
        subtask: 9,
        key_groups: 0..1024,
        finished: false,
        operators: vec![OperatorState {
            commits: commits.iter().map(|&commit| commit.to_owned()).collect(),
            ..OperatorState::default()
        }],
        files: Files::default(),
        in_flight: None,
    }
}

fn id(word: &str) -> CheckpointId {
    CheckpointId(word.parse().unwrap_or_else(|_| panic!("'{word}' is no number")))
}

fn broken() -> Failure {
    Failure::external("broken")
}

/// Reads what happens. A state of the sink has commits unless it is said to have none: `snapshot 1 s nothing`.
fn event(line: &str) -> Event {
    let words: Vec<&str> = line.split(' ').collect();
    let state = |name: &str, commit: String| match words.last() {
        Some(&"nothing") => state(&[]),
        _ if name == "s" => state(&[&commit]),
        _ => state(&[]),
    };
    match words[..] {
        ["tick"] => Event::Tick,
        ["running"] => Event::Running,
        ["checkpoint"] => Event::Checkpoint,
        ["savepoint", url, after] => Event::Savepoint(Savepoint {
            url: url.to_owned(),
            after: match after {
                "go-on" => After::GoOn,
                "suspend" => After::Suspend,
                "drain" => After::Drain,
                other => panic!("nothing is called '{other}'"),
            },
        }),
        ["snapshot", checkpoint, name, ..] => Event::Snapshot {
            subtask: subtask(name),
            checkpoint: id(checkpoint),
            state: state(name, checkpoint.to_owned()),
            cost: Cost::default(),
        },
        ["snapshot-failed", checkpoint, name] => Event::SnapshotFailed {
            subtask: subtask(name),
            checkpoint: id(checkpoint),
            why: broken(),
        },
        ["finished", name, "after", passed, ..] => Event::Finished {
            subtask: subtask(name),
            state: state(name, "end".to_owned()),
            passed: Some(id(passed)),
        },
        ["finished", name, ..] => Event::Finished {
            subtask: subtask(name),
            state: state(name, "end".to_owned()),
            passed: None,
        },
        ["written", checkpoint] => Event::ManifestWritten(id(checkpoint)),
        ["not-written", checkpoint] => Event::ManifestFailed {
            checkpoint: id(checkpoint),
            why: broken(),
        },
        ["committed", checkpoint, name] => Event::Committed {
            subtask: subtask(name),
            checkpoint: id(checkpoint),
        },
        ["commit-failed", checkpoint, name] => Event::CommitFailed {
            subtask: subtask(name),
            checkpoint: id(checkpoint),
            why: broken(),
        },
        ["commit-refused", checkpoint, name] => Event::CommitFailed {
            subtask: subtask(name),
            checkpoint: id(checkpoint),
            why: Failure::user("never"),
        },
        ["interrupted"] => Event::Interrupted(broken()),
        ["ended"] => Event::Ended(broken()),
        ["region-failed", ref names @ ..] => Event::RegionFailed {
            subtasks: names.iter().map(|name| subtask(name)).collect(),
            why: broken(),
        },
        _ => panic!("'{line}' is no event"),
    }
}

/// Says what is asked for. Of a manifest: each subtask, `!` if it had finished, and what it has to commit.
fn said(action: &Action) -> String {
    match action {
        Action::Trigger {
            checkpoint,
            savepoint: None,
        } => format!("trigger {checkpoint}"),
        Action::Trigger {
            checkpoint,
            savepoint: Some(to),
        } => format!("trigger {checkpoint} to {}", to.url),
        Action::Abort(checkpoint) => format!("abort {checkpoint}"),
        Action::WriteManifest { manifest, savepoint } => {
            let kind = if savepoint.is_some() {
                Kind::Savepoint
            } else {
                Kind::Checkpoint
            };
            assert_eq!(manifest.kind, kind);
            let subtasks: Vec<String> = manifest.subtasks.iter().map(said_of_state).collect();
            format!("write {} [{}]", manifest.checkpoint, subtasks.join(" "))
        }
        Action::Commit { checkpoint, .. } => format!("commit {checkpoint}"),
        Action::Completed(record) => format!("completed {}", record.checkpoint),
        Action::Failed { record, .. } => format!("failed {}", record.checkpoint),
        Action::Refused { savepoint, .. } => format!("refused {}", savepoint.url),
        Action::FailJob(_) => "fail-job".to_owned(),
        Action::Discard(checkpoints) => {
            let checkpoints: Vec<String> = checkpoints.iter().map(CheckpointId::to_string).collect();
            format!("discard {}", checkpoints.join(" "))
        }
        Action::Stop(checkpoint) => format!("stop {checkpoint}"),
        Action::JobDone => "done".to_owned(),
    }
}

fn said_of_state(state: &SubtaskState) -> String {
    let SubtaskState { task, subtask, .. } = *state;
    let finished = if state.finished { "!" } else { "" };
    let commits = state.operators[0].commits.join("+");
    let commits = if commits.is_empty() {
        commits
    } else {
        format!(":{commits}")
    };
    format!("{}{finished}{commits}", name_of(Subtask { task, subtask }))
}

/// Tells a coordinator a story, line by line, and holds what it asks for against what it should.
fn tell(coordinator: &mut Coordinator, story: &[(u64, &str, &str)]) {
    for (seconds, line, expected) in story {
        let actions = coordinator.on(event(line), Duration::from_secs(*seconds));
        let actions: Vec<String> = actions.iter().map(said).collect();
        assert_eq!(actions.join(", "), *expected, "at {seconds} s, {line}");
    }
}

/// A story from the beginning.
fn check(settings: Settings, story: &[(u64, &str, &str)]) -> Coordinator {
    let mut coordinator = Coordinator::new(settings, deployment());
    tell(&mut coordinator, story);
    coordinator
}
