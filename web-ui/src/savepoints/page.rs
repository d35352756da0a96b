//! The catalogue of savepoints.

use std::time::Duration;

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use weir_model::{
    SavepointId,
    api::{Savepoint, SavepointList},
};
use weir_ui_logic::format;

use super::table::SavepointTable;
use crate::{
    api, live,
    parts::{
        set_title,
        states::{self, Empty},
    },
};

const PERIOD: Duration = Duration::from_secs(3);

/// All savepoints, the newest first; the one in the path is open.
#[component]
pub(crate) fn SavepointsPage() -> impl IntoView {
    set_title("Savepoints");
    let savepoints = live::poll(PERIOD, true.into(), || api::get::<SavepointList>("/savepoints"));
    let params = use_params_map();
    let open = RwSignal::new(None::<SavepointId>);
    Effect::new(move |_| open.set(params.read().get("id").and_then(|id| id.parse().ok())));
    let text = RwSignal::new(String::new());
    let shown = Memo::new(move |_| {
        let text = text.read().trim().to_lowercase();
        savepoints.value.with(|l| {
            l.iter()
                .flat_map(|l| &l.savepoints)
                .filter(|s| fits(s, &text))
                .map(|s| s.id)
                .collect::<Vec<_>>()
        })
    });
    let is_empty = Memo::new(move |_| {
        savepoints
            .value
            .with(|l| l.as_ref().is_none_or(|l| l.savepoints.is_empty()))
    });
    view! {
        <div class="page">
            <div class="page-head">
                <h1>"Savepoints"</h1>
                <p class="page-sub">
                    {move || savepoints.value.with(|l| l.as_ref().filter(|l| !l.savepoints.is_empty()).map(|l| summary(&l.savepoints)))}
                </p>
            </div>
            {states::fetched(savepoints, "savepoints", move || {
                move || if is_empty.get() {
                    view! {
                        <Empty
                            title="No savepoints yet"
                            hint="A savepoint is a copy of a job's state, which stays until somebody deletes it. \
                                  Take one on the page of a running job, or stop the job with one."
                        >
                            <a class="button" href="/jobs">"To the jobs"</a>
                        </Empty>
                    }.into_any()
                } else {
                    view! {
                        <div class="filters" role="search">
                            <input
                                type="search"
                                class="input"
                                placeholder="Find by name, job, tag or id"
                                aria-label="Find by name, job, tag or id"
                                data-testid="filter-savepoints"
                                bind:value=text
                            />
                        </div>
                        <SavepointTable savepoints=savepoints shown=shown open=open />
                        {move || shown.with(Vec::is_empty).then(|| view! {
                            <div class="state state-small" data-testid="no-match"><p>"No savepoint fits."</p></div>
                        })}
                    }.into_any()
                }
            })}
        </div>
    }
}

fn summary(savepoints: &[Savepoint]) -> String {
    let bytes = savepoints.iter().map(|s| s.bytes).sum();
    format!(
        "{}, {}",
        format::counted(savepoints.len() as u64, "savepoint"),
        format::bytes(bytes)
    )
}

fn fits(savepoint: &Savepoint, text: &str) -> bool {
    let has = |field: &str| field.to_lowercase().contains(text);
    has(&savepoint.name)
        || has(&savepoint.job_name)
        || has(&savepoint.description)
        || savepoint.tags.iter().any(|t| has(t))
        || savepoint.id.to_string().contains(text)
}
