//! What can be done with a job.

use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use weir_model::{Phase, api::Job};

use super::stop::StopDialog;
use crate::{api, followed::Followed, parts::dialog::Confirm};

/// The buttons beside the name.
#[component]
pub(super) fn Actions(followed: Followed, error: RwSignal<Option<api::Error>>) -> impl IntoView {
    let id = followed.id;
    let asks_stop = RwSignal::new(false);
    let asks_cancel = RwSignal::new(false);
    let asks_delete = RwSignal::new(false);
    let is = move |of: fn(Phase) -> bool| move || followed.phase.get().is_some_and(of);
    let button = move |testid: &'static str,
                       class: &'static str,
                       words: &'static str,
                       shown: fn(Phase) -> bool,
                       on_click: Callback<()>| {
        let shown = is(shown);
        view! {
            <button
                type="button"
                class=class
                class:is-hidden=move || !shown()
                data-testid=testid
                on:click=move |_| on_click.run(())
            >
                {words}
            </button>
        }
    };
    let resume = Callback::new(move |()| ask(followed, error, "/resume"));
    let opens = |dialog: RwSignal<bool>| Callback::new(move |()| dialog.set(true));
    let danger = "button button-danger";
    view! {
        <div class="page-actions">
            <a class="button" href=format!("/jobs/new?from={id}") data-testid="edit-as-new">"Edit as new job"</a>
            {button("resume-job", "button button-primary", "Resume", can_resume, resume)}
            {button("stop-job", "button", "Stop …", can_stop, opens(asks_stop))}
            {button("cancel-job", danger, "Cancel job", can_cancel, opens(asks_cancel))}
            {button("delete-job", danger, "Delete", Phase::is_terminal, opens(asks_delete))}
        </div>
        <StopDialog open=asks_stop followed=followed />
        <Confirm
            open=asks_cancel
            title="Cancel this job?"
            text="Its tasks stop and its slots become free. It can't be resumed; its script and its savepoints stay."
            action="Cancel job"
            keep="Keep it running"
            testid="confirm-cancel"
            on_confirm=move || ask(followed, error, "/cancel")
        />
        <DeleteDialog open=asks_delete followed=followed error=error />
    }
}

fn can_resume(phase: Phase) -> bool {
    phase == Phase::Stopped
}

fn can_stop(phase: Phase) -> bool {
    !phase.is_terminal() && !matches!(phase, Phase::Stopping | Phase::Cancelling)
}

fn can_cancel(phase: Phase) -> bool {
    !phase.is_terminal() && phase != Phase::Cancelling
}

/// Posts nothing to a path below the job that moves it.
fn ask(followed: Followed, error: RwSignal<Option<api::Error>>, below: &'static str) {
    spawn_local(async move {
        let answer = api::post_empty::<Job>(&api::job_path(followed.id, below)).await;
        error.try_set(answer.err());
        followed.job.refresh();
    });
}

#[component]
fn DeleteDialog(
    open: RwSignal<bool>,
    followed: Followed,
    error: RwSignal<Option<api::Error>>,
) -> impl IntoView {
    let navigate = use_navigate();
    let delete = move || {
        let navigate = navigate.clone();
        spawn_local(async move {
            match api::delete(&api::job_path(followed.id, "")).await {
                Ok(()) => navigate("/jobs", NavigateOptions::default()),
                Err(e) => drop(error.try_set(Some(e))),
            }
        });
    };
    view! {
        <Confirm
            open=open
            title="Delete this job?"
            text="Its script, its checkpoints and what it printed are removed. Its savepoints and files that it wrote stay."
            action="Delete"
            keep="Keep it"
            testid="confirm-delete"
            on_confirm=delete
        />
    }
}
