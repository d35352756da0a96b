//! The attempts of a job: when, where, and why each ended.

use std::{collections::BTreeMap, time::Duration};

use leptos::prelude::*;
use weir_model::{
    WorkerId,
    api::{Execution, ExecutionList, Placement},
};
use weir_ui_logic::format;

use crate::{
    api,
    followed::Followed,
    live::{self, Clock},
    parts::{
        failure::class_label,
        states::{self, Empty},
    },
};

const PERIOD: Duration = Duration::from_secs(2);

/// The newest first.
#[component]
pub(super) fn Executions(followed: Followed) -> impl IntoView {
    let id = followed.id;
    let executions = live::poll(PERIOD, followed.may_grow(), move || async move {
        api::get::<ExecutionList>(&api::job_path(id, "/executions")).await
    });
    followed.refresh_on_moves(executions);
    let list = move || executions.value.get().map(|l| l.executions).unwrap_or_default();
    states::fetched(executions, "executions", move || {
        move || {
            if list().is_empty() {
                let hint = "The first one starts when there are enough free slots.";
                view! { <Empty title="Not executed yet" hint=hint /> }.into_any()
            } else {
                view! {
                    <div class="table-scroll">
                        <table class="table" data-testid="executions-table">
                            <thead>
                                <tr>
                                    <th scope="col" class="number">"Attempt"</th>
                                    <th scope="col">"Started, UTC"</th>
                                    <th scope="col">"Duration"</th>
                                    <th scope="col">"Why it ended"</th>
                                    <th scope="col">"Where it ran: worker, task.subtask"</th>
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

fn row(execution: Execution) -> impl IntoView {
    let now = Clock::now();
    let Execution {
        attempt,
        started_at_ms,
        ended_at_ms,
        failure,
        placement,
    } = execution;
    let end = match (ended_at_ms, failure) {
        (_, Some(failure)) => {
            let class = class_label(failure.class);
            view! { <strong>{class}</strong> ": " {failure.to_string()} }.into_any()
        }
        (Some(_), None) => view! { "finished, or ended as it was asked to" }.into_any(),
        (None, None) => view! { "still runs" }.into_any(),
    };
    view! {
        <tr data-testid="execution-row">
            <td class="number">{attempt.to_string()}</td>
            <td class="nowrap">{format::date_time(started_at_ms)}</td>
            <td class="nowrap">
                {move || format::duration(ended_at_ms.unwrap_or_else(|| now.get()) - started_at_ms)}
            </td>
            <td class="cell-text">{end}</td>
            <td><PlacementList placement=placement /></td>
        </tr>
    }
}

#[component]
fn PlacementList(placement: Vec<Placement>) -> impl IntoView {
    let mut by_worker: BTreeMap<WorkerId, Vec<Placement>> = BTreeMap::new();
    for place in placement {
        by_worker.entry(place.worker).or_default().push(place);
    }
    let item = |(worker, places): (WorkerId, Vec<Placement>)| {
        let id = worker.to_string();
        let subtasks: Vec<String> = places
            .iter()
            .map(|p| format!("{}.{}", p.task, p.subtask))
            .collect();
        view! {
            <li>
                <code title=id.clone()>{format::short_id(&id).to_owned()}</code>
                <span title="task.subtask">{format!(" {}", subtasks.join(", "))}</span>
            </li>
        }
    };
    view! { <ul class="plain-list">{by_worker.into_iter().map(item).collect_view()}</ul> }
}
