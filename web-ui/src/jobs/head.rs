//! A job's name and where it stands.

use leptos::prelude::*;
use weir_model::{Phase, api::Job};
use weir_ui_logic::format;

use super::{actions::Actions, duration_ms};
use crate::{
    api,
    followed::Followed,
    live::Clock,
    parts::{badge::PhaseBadge, failure::FailureBox, states::ErrorNotice},
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
    let savepoint = followed.part(|j| j.savepoint);
    let restored_from = followed.part(|j| j.restored_from);
    let beginning = move || match (restored_from.get(), savepoint.get()) {
        (Some(number), _) => {
            let href = format!("/jobs/{}/checkpoints", followed.id);
            view! { <a href=href>{format!("checkpoint {number}")}</a> }.into_any()
        }
        (None, Some(id)) => {
            view! { <a href=format!("/savepoints/{id}") data-testid="began-with">"a savepoint"</a> }
                .into_any()
        }
        (None, None) => view! { "nothing" }.into_any(),
    };
    let fact = |name: &'static str, value: AnyView| view! { <div><dt>{name}</dt><dd>{value}</dd></div> };
    view! {
        <dl class="fact-row">
            {fact("Parallelism", (move || part(|j| Some(parallelism(j)))).into_any())}
            {fact("Attempt", (move || part(|j| Some(j.attempt.to_string()))).into_any())}
            {fact("Started", started.into_any())}
            {fact("Duration", (move || duration().unwrap_or_else(|| "–".to_owned())).into_any())}
            {fact("Began with", beginning.into_any())}
            {fact("Last checkpoint", (move || part(|j| Some(last_checkpoint(j)))).into_any())}
            {fact("Version", (move || part(|j| Some(j.version.to_string()))).into_any())}
            {fact("Id", view! { <code>{followed.id.to_string()}</code> }.into_any())}
        </dl>
    }
}

/// The parallelism, and the one that it is on its way to.
fn parallelism(job: &Job) -> String {
    match job.rescale_to {
        Some(to) => format!("{} → {to}", job.parallelism),
        None => job.parallelism.to_string(),
    }
}

fn last_checkpoint(job: &Job) -> String {
    job.last_checkpoint
        .map_or_else(|| "none".to_owned(), |number| number.to_string())
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
            Phase::Stopped | Phase::Cancelled | Phase::Finished => ("It had restarted after a failure", true),
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
