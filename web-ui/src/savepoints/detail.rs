//! One savepoint: what is said of it, and what can be done with it.

use leptos::{prelude::*, task::spawn_local};
use weir_model::{
    SavepointId,
    api::{Savepoint, SavepointList, SavepointStatus, UpdateSavepoint, Verification},
};
use weir_ui_logic::{format, words};

use crate::{
    api,
    live::Fetched,
    parts::{dialog::Confirm, states::ErrorNotice},
};

/// Below its row: a form with what is said of it, where it is, and buttons.
#[component]
pub(super) fn Detail(
    id: SavepointId,
    savepoint: Memo<Option<Savepoint>>,
    savepoints: Fetched<SavepointList>,
) -> impl IntoView {
    let error = RwSignal::new(None::<api::Error>);
    let found = RwSignal::new(None::<Verification>);
    let part = move |pick: fn(&Savepoint) -> String| savepoint.with(|s| s.as_ref().map(pick));
    view! {
        <div class="detail">
            <Words id=id savepoint=savepoint savepoints=savepoints error=error />
            <div>
                <dl class="facts">
                    <dt>"Id"</dt><dd><code>{id.to_string()}</code></dd>
                    <dt>"Checkpoint"</dt><dd>{move || part(|s| s.number.map_or_else(|| "–".to_owned(), |n| n.to_string()))}</dd>
                    <dt>"Folder"</dt><dd><code>{move || part(|s| s.url.clone())}</code></dd>
                </dl>
                <Deeds id=id savepoint=savepoint savepoints=savepoints error=error found=found />
                <ErrorNotice error=error />
                {move || found.get().map(verification)}
            </div>
        </div>
    }
}

/// Its name, description and tags, to be changed.
#[component]
fn Words(
    id: SavepointId,
    savepoint: Memo<Option<Savepoint>>,
    savepoints: Fetched<SavepointList>,
    error: RwSignal<Option<api::Error>>,
) -> impl IntoView {
    let at_first = |pick: fn(&Savepoint) -> String| {
        RwSignal::new(savepoint.with_untracked(|s| s.as_ref().map(pick).unwrap_or_default()))
    };
    let name = at_first(|s| s.name.clone());
    let description = at_first(|s| s.description.clone());
    let tags = at_first(|s| s.tags.join(", "));
    let is_saving = RwSignal::new(false);
    let is_changed = Memo::new(move |_| {
        savepoint.with(|s| {
            s.as_ref().is_some_and(|s| {
                s.name != name.read().trim()
                    || s.description != *description.read()
                    || s.tags != words::tags(&tags.read())
            })
        })
    });
    let save = move || {
        is_saving.set(true);
        let update = UpdateSavepoint {
            name: Some(name.get_untracked()),
            description: Some(description.get_untracked()),
            tags: Some(words::tags(&tags.get_untracked())),
        };
        spawn_local(async move {
            let answer = api::patch::<Savepoint>(&api::savepoint_path(id, ""), &update).await;
            if is_saving.try_set(false).is_some() {
                return;
            }
            error.set(answer.err());
            savepoints.refresh();
        });
    };
    view! {
        <form
            class="form"
            on:submit=move |event| {
                event.prevent_default();
                save();
            }
        >
            <label class="field"><span>"Name"</span><input class="input" maxlength="200" data-testid="savepoint-edit-name" bind:value=name /></label>
            <label class="field"><span>"Description"</span><textarea class="input" rows="2" data-testid="savepoint-edit-description" bind:value=description></textarea></label>
            <label class="field"><span>"Tags, with commas between them"</span><input class="input" data-testid="savepoint-edit-tags" bind:value=tags /></label>
            <div>
                <button type="submit" class="button" data-testid="save-savepoint" disabled=move || is_saving.get() || !is_changed.get()>
                    "Save"
                </button>
            </div>
        </form>
    }
}

/// Start a job from it, verify it, delete it.
#[component]
fn Deeds(
    id: SavepointId,
    savepoint: Memo<Option<Savepoint>>,
    savepoints: Fetched<SavepointList>,
    error: RwSignal<Option<api::Error>>,
    found: RwSignal<Option<Verification>>,
) -> impl IntoView {
    let is_there = Memo::new(move |_| {
        savepoint.with(|s| s.as_ref().is_some_and(|s| s.status == SavepointStatus::Completed))
    });
    let is_verifying = RwSignal::new(false);
    let asks_delete = RwSignal::new(false);
    let verify = move |_| {
        is_verifying.set(true);
        found.set(None);
        spawn_local(async move {
            let answer = api::post_slow::<Verification>(&api::savepoint_path(id, "/verify")).await;
            if is_verifying.try_set(false).is_some() {
                return;
            }
            match answer {
                Ok(verification) => {
                    error.set(None);
                    found.set(Some(verification));
                }
                Err(e) => error.set(Some(e)),
            }
        });
    };
    let delete = move || {
        spawn_local(async move {
            let answer = api::delete(&api::savepoint_path(id, "")).await;
            error.try_set(answer.err());
            savepoints.refresh();
        });
    };
    view! {
        <div class="detail-actions">
            <a
                class="button button-primary"
                class:is-hidden=move || !is_there.get()
                href=format!("/jobs/new?savepoint={id}")
                data-testid="start-from-savepoint"
            >
                "Start a job from it"
            </a>
            <button
                type="button"
                class="button"
                class:is-hidden=move || !is_there.get()
                data-testid="verify-savepoint"
                disabled=is_verifying
                on:click=verify
            >
                {move || if is_verifying.get() { "Verifying …" } else { "Verify" }}
            </button>
            <button type="button" class="button button-danger" data-testid="delete-savepoint" on:click=move |_| asks_delete.set(true)>
                "Delete"
            </button>
        </div>
        <Confirm
            open=asks_delete
            title="Delete this savepoint?"
            text="All of its files are removed. No job can begin with it any more."
            action="Delete"
            keep="Keep it"
            testid="confirm-delete-savepoint"
            on_confirm=delete
        />
    }
}

/// What reading every byte showed.
fn verification(found: Verification) -> impl IntoView {
    let Verification {
        intact,
        files,
        bytes,
        defects,
    } = found;
    let read = format!(
        "{} with {} were read",
        format::counted(files, "file"),
        format::bytes(bytes)
    );
    if intact {
        return view! {
            <p class="notice notice-good" role="status" data-testid="verification">{format!("Intact: {read}, and every checksum is right.")}</p>
        }
        .into_any();
    }
    let defects = defects.into_iter().map(|d| view! { <li>{d}</li> }).collect_view();
    view! {
        <div class="notice notice-error" role="alert" data-testid="verification">
            <p>{format!("Damaged: {read}.")}</p>
            <ul>{defects}</ul>
        </div>
    }
    .into_any()
}
