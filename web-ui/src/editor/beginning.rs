//! What the job shall begin with: a savepoint of the catalogue, or nothing.

use leptos::{prelude::*, task::spawn_local};
use weir_model::{
    SavepointId,
    api::{Compatibility, CompatibilityRequest, Savepoint, SavepointList, SavepointStatus},
};
use weir_ui_logic::format;

use super::{check::Verdict, draft::Draft};
use crate::{api, live, parts::states::ErrorNotice};

/// What is known about the script and the savepoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// No savepoint is chosen.
    Empty,
    /// The script can't run, or is not checked yet.
    Waiting,
    /// The answer is on its way.
    Comparing,
    /// Operator by operator.
    Known(Compatibility),
    /// It is not known, because.
    Unknown(api::Error),
}

impl Comparison {
    pub(super) fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }

    /// Whether a job may be started; the server decides where nothing is known.
    pub(super) fn lets_start(&self, allow_dropped_state: bool) -> bool {
        match self {
            Self::Empty | Self::Unknown(_) => true,
            Self::Waiting | Self::Comparing => false,
            Self::Known(report) => report.compatible || (allow_dropped_state && report.compatible_if_dropped),
        }
    }
}

/// Compares again whenever the savepoint or a script that can run changes. Only the newest answer counts.
pub(super) fn keep_compared(draft: Draft, verdict: RwSignal<Verdict>) -> RwSignal<Comparison> {
    let comparison = RwSignal::new(Comparison::Empty);
    let round = StoredValue::new(0_u64);
    let is_valid = Memo::new(move |_| verdict.with(|v| *v == Verdict::Valid));
    Effect::new(move |_| {
        let (savepoint, is_valid) = (draft.savepoint.get(), is_valid.get());
        let this_round = round.get_value() + 1;
        round.set_value(this_round);
        draft.allow_dropped_state.set(false);
        let Some(id) = savepoint else {
            comparison.set(Comparison::Empty);
            return;
        };
        if !is_valid {
            comparison.set(Comparison::Waiting);
            return;
        }
        comparison.set(Comparison::Comparing);
        let request = CompatibilityRequest {
            sql: draft.sql.get_untracked(),
            parallelism: untrack(|| draft.parallelism()),
        };
        spawn_local(async move {
            let path = api::savepoint_path(id, "/compatibility");
            let answer = api::post::<Compatibility>(&path, &request).await;
            if round.try_get_value() == Some(this_round) {
                comparison.set(answer.map_or_else(Comparison::Unknown, Comparison::Known));
            }
        });
    });
    comparison
}

/// A choice of all savepoints that are there; `on_load` gets the one whose script is wanted.
#[component]
pub(super) fn SavepointField(draft: Draft, on_load: Callback<SavepointId>) -> impl IntoView {
    let list = live::fetch(|| api::get::<SavepointList>("/savepoints"));
    let there = move || {
        let all = list.value.get().map(|l| l.savepoints).unwrap_or_default();
        let is_there = |s: &Savepoint| s.status == SavepointStatus::Completed;
        all.into_iter().filter(is_there).collect::<Vec<_>>()
    };
    let option = move |savepoint: Savepoint| {
        let id = savepoint.id;
        view! {
            <option value=id.to_string() selected=move || draft.savepoint.get() == Some(id)>{label(&savepoint)}</option>
        }
    };
    let chosen = Memo::new(move |_| {
        let id = draft.savepoint.get()?;
        there().into_iter().find(|s| s.id == id)
    });
    let load = move |_| {
        if let Some(id) = draft.savepoint.get_untracked() {
            on_load.run(id);
        }
    };
    view! {
        <label class="field">
            <span>"Begins with"</span>
            <select
                class="input"
                data-testid="savepoint-choice"
                on:change=move |event| draft.savepoint.set(event_target_value(&event).parse().ok())
            >
                <option value="" selected=move || draft.savepoint.get().is_none()>"nothing"</option>
                {move || there().into_iter().map(option).collect_view()}
            </select>
        </label>
        <p class="hint" class:is-hidden=move || chosen.with(Option::is_none)>{move || chosen.get().map(|s| about(&s))}</p>
        <button
            type="button"
            class="button button-small"
            class:is-hidden=move || draft.savepoint.get().is_none()
            data-testid="load-savepoint-script"
            on:click=load
        >
            "Load the script of the savepoint"
        </button>
        <ErrorNotice error=list.error />
    }
}

/// Enough to tell it from others of the same name.
fn label(savepoint: &Savepoint) -> String {
    format!(
        "{} · {}",
        savepoint.name,
        format::date_time(savepoint.created_at_ms)
    )
}

fn about(savepoint: &Savepoint) -> String {
    let Savepoint {
        job_name,
        job_version,
        bytes,
        ..
    } = savepoint;
    format!(
        "Of job {job_name}, version {job_version}, {}.",
        format::bytes(*bytes)
    )
}
