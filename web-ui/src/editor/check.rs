//! Asks whether the script could be a job, once the typing pauses.

use std::time::Duration;

use leptos::{leptos_dom::helpers::set_timeout_with_handle, prelude::*, task::spawn_local};
use weir_model::{
    Problem,
    api::{ExplainRequest, ValidateResponse},
};

use super::draft::Draft;
use crate::api;

const PAUSE: Duration = Duration::from_millis(350);

/// What is known about the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is nothing to check.
    Empty,
    /// It changed, or the answer is on its way.
    Checking,
    /// It could be a job.
    Valid,
    /// It could not, because.
    Wrong(Problem),
    /// It is not known, because.
    Unknown(api::Error),
}

impl Verdict {
    pub(super) fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Wrong(problem) => Some(problem),
            _ => None,
        }
    }
}

/// Checks the draft again whenever it changes. Only the answer about its newest state counts.
pub(super) fn keep_checked(draft: Draft) -> RwSignal<Verdict> {
    let verdict = RwSignal::new(Verdict::Empty);
    let round = StoredValue::new(0_u64);
    Effect::new(move |_| {
        let request = ExplainRequest {
            sql: draft.sql.get(),
            parallelism: draft.parallelism(),
        };
        let this_round = round.get_value() + 1;
        round.set_value(this_round);
        if request.sql.trim().is_empty() {
            verdict.set(Verdict::Empty);
            return;
        }
        // A mark stays where it is until there is news: it would flicker with each key.
        if verdict.with_untracked(|v| v.problem().is_none()) {
            verdict.set(Verdict::Checking);
        }
        let ask = move || {
            spawn_local(async move {
                let answer = api::post::<ValidateResponse>("/sql/validate", &request).await;
                if round.try_get_value() == Some(this_round) {
                    verdict.set(judge(answer));
                }
            });
        };
        if let Ok(timer) = set_timeout_with_handle(ask, PAUSE) {
            on_cleanup(move || timer.clear());
        }
    });
    verdict
}

fn judge(answer: api::Result<ValidateResponse>) -> Verdict {
    match answer {
        Ok(ValidateResponse { valid: true, .. }) => Verdict::Valid,
        Ok(ValidateResponse {
            problem: Some(problem),
            ..
        }) => Verdict::Wrong(problem),
        Ok(ValidateResponse { problem: None, .. }) => Verdict::Unknown(api::Error::Unreadable(200)),
        Err(api::Error::Problem(problem)) => Verdict::Wrong(*problem),
        Err(error) => Verdict::Unknown(error),
    }
}
