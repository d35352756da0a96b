//! What failed in a job, and what was done about it.

use std::time::Duration;

use leptos::prelude::*;
use weir_model::api::{Exception, ExceptionList};
use weir_ui_logic::format;

use crate::{
    api,
    followed::Followed,
    live,
    parts::{
        failure::class_label,
        states::{self, Empty},
    },
};

const PERIOD: Duration = Duration::from_secs(2);

/// The newest first.
#[component]
pub(super) fn Exceptions(followed: Followed) -> impl IntoView {
    let id = followed.id;
    let exceptions = live::poll(PERIOD, followed.may_grow(), move || async move {
        api::get::<ExceptionList>(&api::job_path(id, "/exceptions")).await
    });
    followed.refresh_on_moves(exceptions);
    let list = move || exceptions.value.get().map(|l| l.exceptions).unwrap_or_default();
    states::fetched(exceptions, "exceptions", move || {
        move || {
            if list().is_empty() {
                view! { <Empty title="No exceptions" hint="Nothing has failed in this job." /> }.into_any()
            } else {
                view! {
                    <div class="table-scroll">
                        <table class="table" data-testid="exceptions-table">
                            <thead>
                                <tr>
                                    <th scope="col">"Time, UTC"</th>
                                    <th scope="col" class="number">"Attempt"</th>
                                    <th scope="col">"Cause"</th>
                                    <th scope="col">"What happened"</th>
                                    <th scope="col">"Where"</th>
                                    <th scope="col">"What was done"</th>
                                </tr>
                            </thead>
                            <tbody>{list().into_iter().map(row).collect_view()}</tbody>
                        </table>
                    </div>
                }
                .into_any()
            }
        }
    })
}

fn row(exception: Exception) -> impl IntoView {
    let place = place(&exception);
    let Exception {
        attempt,
        at_ms,
        failure,
        worker,
        done,
        ..
    } = exception;
    let worker = worker.map(|w| {
        let id = w.to_string();
        view! { <span class="cell-sub">"worker "<code title=id.clone()>{format::short_id(&id).to_owned()}</code></span> }
    });
    view! {
        <tr data-testid="exception-row">
            <td class="nowrap">{format::date_time(at_ms)}</td>
            <td class="number">{attempt.to_string()}</td>
            <td class="nowrap">{class_label(failure.class)}</td>
            <td class="cell-text cell-message">{failure.message}</td>
            <td class="nowrap">{place} {worker}</td>
            <td class="cell-text">{done}</td>
        </tr>
    }
}

/// The operator, or the task and subtask, as far as they are known.
fn place(exception: &Exception) -> String {
    let subtask = exception.subtask.or(exception.failure.subtask);
    let subtask = subtask.map(|s| format!("subtask {s}"));
    let task = exception.task.map(|t| format!("task {t}"));
    let whose = exception.failure.operator_name.clone().or(task);
    let parts: Vec<String> = whose.into_iter().chain(subtask).collect();
    if parts.is_empty() && exception.worker.is_none() {
        "–".to_owned()
    } else {
        parts.join(", ")
    }
}
