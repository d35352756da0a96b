//! Savepoints as rows that open.

use leptos::prelude::*;
use weir_model::{
    SavepointId,
    api::{Savepoint, SavepointList, SavepointStatus},
};
use weir_ui_logic::format;

use super::detail::Detail;
use crate::{
    live::{Clock, Fetched},
    parts::{badge::StatusBadge, rows::Opener},
};

const COLUMNS: u32 = 8;

/// The savepoints that are shown; the one that is open at first, if any.
#[component]
pub(super) fn SavepointTable(
    savepoints: Fetched<SavepointList>,
    #[prop(into)] shown: Signal<Vec<SavepointId>>,
    open: RwSignal<Option<SavepointId>>,
) -> impl IntoView {
    view! {
        <div class="table-scroll">
            <table class="table" data-testid="savepoints-table">
                <thead>
                    <tr>
                        <th scope="col"><span class="visually-hidden">"Open"</span></th>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Status"</th>
                        <th scope="col">"Job"</th>
                        <th scope="col" class="number">"Version"</th>
                        <th scope="col" class="number">"Parallelism"</th>
                        <th scope="col" class="number">"Size"</th>
                        <th scope="col">"Taken"</th>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || shown.get() key=|id| *id let:id>
                        <Row id=id savepoints=savepoints open=open />
                    </For>
                </tbody>
            </table>
        </div>
    }
}

/// A row is made once per savepoint and then changes in place, so that what is open stays open.
#[component]
fn Row(
    id: SavepointId,
    savepoints: Fetched<SavepointList>,
    open: RwSignal<Option<SavepointId>>,
) -> impl IntoView {
    let now = Clock::now();
    let savepoint = Memo::new(move |last: Option<&Option<Savepoint>>| {
        let found = savepoints
            .value
            .with(|l| l.as_ref()?.savepoints.iter().find(|s| s.id == id).cloned());
        // One that is gone keeps its last look until its row is taken away.
        found.or_else(|| last.cloned().flatten())
    });
    let part = move |pick: fn(&Savepoint) -> String| savepoint.with(|s| s.as_ref().map(pick));
    let status = Memo::new(move |_| savepoint.with(|s| s.as_ref().map(|s| s.status)));
    let tags = move || savepoint.with(|s| s.as_ref().map(|s| tags(&s.tags)));
    let job = Memo::new(move |_| savepoint.with(|s| s.as_ref().map(|s| (s.job, s.job_name.clone()))));
    let taken = move || savepoint.with(|s| s.as_ref().map(|s| format::ago(now.get() - s.created_at_ms)));
    let taken_exactly = move || part(|s| format!("{} UTC", format::date_time(s.created_at_ms)));
    let is_open = Memo::new(move |_| open.get() == Some(id));
    let toggle = move || open.update(|o| *o = (*o != Some(id)).then_some(id));
    view! {
        <tr data-testid="savepoint-row" data-status=move || status.get().map(SavepointStatus::as_str)>
            <td class="cell-opener">
                <Opener is_open=is_open label="More about this savepoint" testid="open-savepoint" on_toggle=toggle />
            </td>
            <td class="cell-main">
                <strong data-testid="savepoint-name">{move || part(|s| s.name.clone())}</strong>
                {tags}
                <span class="cell-sub">{move || part(words)}</span>
            </td>
            <td>{move || status.get().map(status_badge)}</td>
            <td>{move || job.get().map(|(id, name)| view! { <a href=format!("/jobs/{id}")>{name}</a> })}</td>
            <td class="number">{move || part(|s| s.job_version.to_string())}</td>
            <td class="number">{move || part(|s| s.parallelism.to_string())}</td>
            <td class="number nowrap">{move || part(size)}</td>
            <td class="nowrap" title=taken_exactly>{taken}</td>
        </tr>
        {move || is_open.get().then(|| view! {
            <tr class="row-detail">
                <td colspan=COLUMNS><Detail id=id savepoint=savepoint savepoints=savepoints /></td>
            </tr>
        })}
    }
}

/// What it is for, or why it could not be taken.
fn words(savepoint: &Savepoint) -> String {
    savepoint
        .failure
        .clone()
        .unwrap_or_else(|| format::truncate(&savepoint.description, 160))
}

fn size(savepoint: &Savepoint) -> String {
    match savepoint.status {
        SavepointStatus::Completed => format::bytes(savepoint.bytes),
        _ => "–".to_owned(),
    }
}

fn tags(tags: &[String]) -> impl IntoView + use<> {
    let tag = |tag: &String| view! { <span class="tag">{tag.clone()}</span> };
    tags.iter().map(tag).collect_view()
}

fn status_badge(status: SavepointStatus) -> impl IntoView {
    let (word, tone) = match status {
        SavepointStatus::InProgress => ("in progress", "busy"),
        SavepointStatus::Completed => ("completed", "good"),
        SavepointStatus::Failed => ("failed", "bad"),
    };
    view! { <StatusBadge word=word tone=tone /> }
}
