//! A job's savepoints, and a form to take one.

use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};
use weir_model::{
    Phase,
    api::{CreateSavepoint, Savepoint, SavepointList},
};
use weir_ui_logic::words;

use super::table::SavepointTable;
use crate::{
    api,
    followed::Followed,
    live::{self, Fetched},
    parts::states::{self, Empty, ErrorNotice},
};

const PERIOD: Duration = Duration::from_secs(2);

/// The newest first.
#[component]
pub(crate) fn JobSavepoints(followed: Followed) -> impl IntoView {
    let id = followed.id;
    let savepoints = live::poll(PERIOD, followed.may_grow(), move || async move {
        api::get::<SavepointList>(&api::job_path(id, "/savepoints")).await
    });
    followed.refresh_on_moves(savepoints);
    let open = RwSignal::new(None);
    let shown = Memo::new(move |_| {
        savepoints.value.with(|l| {
            l.iter()
                .flat_map(|l| &l.savepoints)
                .map(|s| s.id)
                .collect::<Vec<_>>()
        })
    });
    let is_running = Memo::new(move |_| followed.phase.get() == Some(Phase::Running));
    view! {
        {move || is_running.get().then(|| view! { <TakeForm followed=followed savepoints=savepoints /> })}
        {states::fetched(savepoints, "savepoints", move || {
            move || if shown.with(Vec::is_empty) {
                view! {
                    <Empty
                        title="No savepoints of this job"
                        hint="A savepoint is a copy of a running job's state, which stays until somebody deletes it. \
                              Jobs can begin with it, also with other SQL."
                    />
                }.into_any()
            } else {
                view! { <SavepointTable savepoints=savepoints shown=shown open=open /> }.into_any()
            }
        })}
    }
}

/// Takes one; the job goes on.
#[component]
fn TakeForm(followed: Followed, savepoints: Fetched<SavepointList>) -> impl IntoView {
    let name = RwSignal::new(String::new());
    let description = RwSignal::new(String::new());
    let tags = RwSignal::new(String::new());
    let error = RwSignal::new(None::<api::Error>);
    let is_asking = RwSignal::new(false);
    let take = move || {
        is_asking.set(true);
        let named = name.get_untracked().trim().to_owned();
        let request = CreateSavepoint {
            name: (!named.is_empty()).then_some(named),
            description: description.get_untracked().trim().to_owned(),
            tags: words::tags(&tags.get_untracked()),
        };
        spawn_local(async move {
            let path = api::job_path(followed.id, "/savepoints");
            let answer = api::post::<Savepoint>(&path, &request).await;
            if is_asking.try_set(false).is_some() {
                return;
            }
            if answer.is_ok() {
                for field in [name, description, tags] {
                    field.set(String::new());
                }
            }
            error.set(answer.err());
            savepoints.refresh();
        });
    };
    view! {
        <form
            class="bar-form"
            on:submit=move |event| {
                event.prevent_default();
                take();
            }
        >
            <input class="input" aria-label="Name" placeholder="Name, else the job's" maxlength="200" data-testid="savepoint-new-name" bind:value=name />
            <input class="input input-wide" aria-label="Description" placeholder="What it is for" data-testid="savepoint-new-description" bind:value=description />
            <input class="input" aria-label="Tags, with commas between them" placeholder="Tags, with commas" data-testid="savepoint-new-tags" bind:value=tags />
            <button type="submit" class="button button-primary" data-testid="take-savepoint" disabled=is_asking>
                "Take savepoint"
            </button>
        </form>
        <ErrorNotice error=error />
    }
}
