//! A job's name, where it stands, and what can be done with it.

use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use weir_model::{Phase, api::Job};
use weir_ui_logic::format;

use super::{duration_ms, page::Followed};
use crate::{
    api,
    live::Clock,
    parts::{badge::PhaseBadge, dialog::Confirm, failure::FailureBox, states::ErrorNotice},
};

/// Above the tabs.
#[component]
pub(super) fn Head(followed: Followed) -> impl IntoView {
    let job = followed.job.value;
    let name = Memo::new(move |_| job.with(|j| j.as_ref().map(|j| j.name.clone())));
    let reason = Memo::new(move |_| job.with(|j| j.as_ref()?.phase_reason.clone()));
    let phase = Signal::derive(move || followed.phase.get().unwrap_or(Phase::Created));
    let now = Clock::now();
    let next_attempt = move || {
        let at_ms = job.with(|j| j.as_ref().filter(|j| j.phase == Phase::Restarting)?.restart_at_ms)?;
        let left_ms = at_ms - now.get();
        (left_ms > 0).then(|| format!(" · next attempt in {} s", (left_ms + 999) / 1000))
    };
    let error = RwSignal::new(None::<api::Error>);
    view! {
        <div class="page-head">
            <h1 data-testid="job-title">{name}</h1>
            <PhaseBadge phase=phase />
            <p class="page-sub" data-testid="job-reason">{reason} {next_attempt}</p>
            <Actions followed=followed error=error />
        </div>
        <ErrorNotice error=error />
        <Connection followed=followed />
        <Trouble followed=followed />
        <Facts followed=followed />
    }
}

#[component]
fn Facts(followed: Followed) -> impl IntoView {
    let now = Clock::now();
    let job = followed.job.value;
    let part = move |pick: fn(&Job) -> Option<String>| job.with(|j| j.as_ref().and_then(pick));
    let moment = |ms: i64| format!("{} UTC", format::date_time(ms));
    let started = move || {
        job.with(|j| j.as_ref()?.started_at_ms.map(moment))
            .unwrap_or_else(|| "not yet".to_owned())
    };
    let duration = move || job.with(|j| Some(format::duration(duration_ms(j.as_ref()?, now.get())?)));
    let fact = |name: &'static str, value: AnyView| view! { <div><dt>{name}</dt><dd>{value}</dd></div> };
    view! {
        <dl class="fact-row">
            {fact("Parallelism", (move || part(|j| Some(j.parallelism.to_string()))).into_any())}
            {fact("Attempt", (move || part(|j| Some(j.attempt.to_string()))).into_any())}
            {fact("Started", started.into_any())}
            {fact("Duration", (move || duration().unwrap_or_else(|| "–".to_owned())).into_any())}
            {fact("Version", (move || part(|j| Some(j.version.to_string()))).into_any())}
            {fact("Id", view! { <code>{followed.id.to_string()}</code> }.into_any())}
        </dl>
    }
}

/// Why it failed; while it goes on, why it last restarted.
#[component]
fn Trouble(followed: Followed) -> impl IntoView {
    let failure = Memo::new(move |_| {
        followed
            .job
            .value
            .with(|j| j.as_ref().and_then(|j| Some((j.phase, j.failure.clone()?))))
    });
    move || {
        let (phase, failure) = failure.get()?;
        let (title, goes_on) = match phase {
            Phase::Failed => ("This job failed", false),
            Phase::Restarting => ("Restarting after a failure", true),
            Phase::Cancelled | Phase::Finished => ("It had restarted after a failure", true),
            _ => ("Restarted after a failure", true),
        };
        Some(view! { <FailureBox title=title failure=failure goes_on=goes_on /> })
    }
}

#[component]
fn Connection(followed: Followed) -> impl IntoView {
    let is_live = followed.is_live();
    move || {
        (is_live.get() && !followed.is_connected.get()).then(|| {
            view! {
                <p class="notice notice-warning" role="status">
                    "Live updates are interrupted: what you see may be out of date. Connecting again …"
                </p>
            }
        })
    }
}

#[component]
fn Actions(followed: Followed, error: RwSignal<Option<api::Error>>) -> impl IntoView {
    let id = followed.id;
    let asks_cancel = RwSignal::new(false);
    let asks_delete = RwSignal::new(false);
    let is_terminal = move || followed.phase.get().is_some_and(Phase::is_terminal);
    let can_cancel = move || !is_terminal() && followed.phase.get() != Some(Phase::Cancelling);
    let navigate = use_navigate();
    let cancel = move || {
        spawn_local(async move {
            match api::post_empty::<Job>(&api::job_path(id, "/cancel")).await {
                Ok(_) => {
                    error.set(None);
                    followed.job.refresh();
                }
                Err(e) => error.set(Some(e)),
            }
        });
    };
    let delete = move || {
        let navigate = navigate.clone();
        spawn_local(async move {
            match api::delete(&api::job_path(id, "")).await {
                Ok(()) => navigate("/jobs", NavigateOptions::default()),
                Err(e) => error.set(Some(e)),
            }
        });
    };
    view! {
        <div class="page-actions">
            <a class="button" href=format!("/jobs/new?from={id}") data-testid="edit-as-new">"Edit as new job"</a>
            <button
                type="button"
                class="button button-danger"
                class:is-hidden=move || !can_cancel()
                data-testid="cancel-job"
                on:click=move |_| asks_cancel.set(true)
            >
                "Cancel job"
            </button>
            <button
                type="button"
                class="button button-danger"
                class:is-hidden=move || !is_terminal()
                data-testid="delete-job"
                on:click=move |_| asks_delete.set(true)
            >
                "Delete"
            </button>
        </div>
        <Confirm
            open=asks_cancel
            title="Cancel this job?"
            text="Its tasks stop and its slots become free. It can't be resumed; its script stays."
            action="Cancel job"
            keep="Keep it running"
            testid="confirm-cancel"
            on_confirm=cancel
        />
        <Confirm
            open=asks_delete
            title="Delete this job?"
            text="Its script, its events and what it printed are removed. Files that it wrote stay."
            action="Delete"
            keep="Keep it"
            testid="confirm-delete"
            on_confirm=delete
        />
    }
}
