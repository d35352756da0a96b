//! How a job shall stop.

use leptos::{prelude::*, task::spawn_local};
use weir_model::api::{Job, StopJob};

use crate::{
    api,
    followed::Followed,
    parts::{dialog::Modal, states::ErrorNotice},
};

/// What is kept of the job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Savepoint,
    Drain,
    AtOnce,
}

impl Way {
    const ALL: [Self; 3] = [Self::Savepoint, Self::Drain, Self::AtOnce];

    fn word(self) -> &'static str {
        match self {
            Self::Savepoint => "savepoint",
            Self::Drain => "drain",
            Self::AtOnce => "at-once",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Savepoint => "With a savepoint",
            Self::Drain => "Drain, with a savepoint",
            Self::AtOnce => "At once",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Savepoint => "It goes on from there when it is resumed, and so can other jobs.",
            Self::Drain => {
                "Event time ends first, so that all windows are emitted. Take it when no more input is to come: \
                 rows that come later are late."
            }
            Self::AtOnce => "It goes on from its last checkpoint when it is resumed.",
        }
    }
}

/// Asks how, and stops the job.
#[component]
pub(super) fn StopDialog(open: RwSignal<bool>, followed: Followed) -> impl IntoView {
    let way = RwSignal::new(Way::Savepoint);
    let name = RwSignal::new(String::new());
    let error = RwSignal::new(None::<api::Error>);
    let is_asking = RwSignal::new(false);
    let stop = move || {
        is_asking.set(true);
        let request = request(way.get_untracked(), &name.get_untracked());
        spawn_local(async move {
            let answer = api::post::<Job>(&api::job_path(followed.id, "/stop"), &request).await;
            if is_asking.try_set(false).is_some() {
                return;
            }
            if answer.is_ok() {
                open.set(false);
                name.set(String::new());
            }
            error.set(answer.err());
            followed.job.refresh();
        });
    };
    let choice = move |one: Way| {
        view! {
            <label class="choice">
                <input
                    type="radio"
                    name="stop-way"
                    data-testid=format!("stop-{}", one.word())
                    prop:checked=move || way.get() == one
                    on:change=move |_| way.set(one)
                />
                <span><strong>{one.title()}</strong><span class="choice-hint">{one.hint()}</span></span>
            </label>
        }
    };
    view! {
        <Modal open=open title="Stop this job">
            <form
                class="form dialog-form"
                on:submit=move |event| {
                    event.prevent_default();
                    stop();
                }
            >
                <fieldset class="choices">
                    <legend class="visually-hidden">"How it stops"</legend>
                    {Way::ALL.into_iter().map(choice).collect_view()}
                </fieldset>
                <label class="field" class:is-hidden=move || way.get() == Way::AtOnce>
                    <span>"Name of the savepoint"</span>
                    <input class="input" maxlength="200" placeholder="the job's name" data-testid="stop-name" bind:value=name />
                </label>
                <ErrorNotice error=error />
                <div class="dialog-actions">
                    <button type="button" class="button" on:click=move |_| open.set(false)>"Keep it running"</button>
                    <button type="submit" class="button button-primary" data-testid="confirm-stop" disabled=is_asking>
                        "Stop job"
                    </button>
                </div>
            </form>
        </Modal>
    }
}

fn request(way: Way, name: &str) -> StopJob {
    let name = Some(name.trim()).filter(|n| !n.is_empty() && way != Way::AtOnce);
    StopJob {
        savepoint: way != Way::AtOnce,
        drain: way == Way::Drain,
        name: name.map(ToOwned::to_owned),
    }
}
