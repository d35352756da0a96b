//! One checkpoint, task by task and subtask by subtask.

use std::{collections::BTreeMap, time::Duration};

use leptos::prelude::*;
use weir_model::{
    JobId, SubtaskIndex, TaskId,
    api::{CheckpointDetail, CheckpointStatus},
    graph::Graph,
};
use weir_ui_logic::{
    checkpoint::{self, Part, TaskPart},
    format,
};

use crate::{api, live, parts::states};

const PERIOD: Duration = Duration::from_secs(1);

/// Alignment, synchronous and asynchronous part, end to end, and bytes; asked for again until it is there.
#[component]
pub(super) fn Breakdown(id: JobId, number: u64, status: Memo<Option<CheckpointStatus>>) -> impl IntoView {
    let is_going_on = Signal::derive(move || status.get() == Some(CheckpointStatus::InProgress));
    let detail = live::poll(PERIOD, is_going_on, move || async move {
        let path = api::job_path(id, &format!("/checkpoints/{number}"));
        api::get::<CheckpointDetail>(&path).await
    });
    Effect::new(move |_| {
        status.track();
        detail.refresh();
    });
    let graph = live::fetch(move || async move { api::get::<Graph>(&api::job_path(id, "/graph")).await });
    states::fetched(detail, "the parts of this checkpoint", move || {
        move || {
            let parts = detail.value.with(|d| {
                d.as_ref()
                    .map(|d| checkpoint::by_task(&d.subtasks))
                    .unwrap_or_default()
            });
            if parts.is_empty() {
                return view! { <p class="is-faint">"No subtask has reported a part of it."</p> }.into_any();
            }
            // Without the graph, tasks go by their numbers.
            let graph = graph.value.get().unwrap_or_default();
            view! { <PartTable parts=parts graph=graph /> }.into_any()
        }
    })
}

#[component]
fn PartTable(parts: BTreeMap<TaskId, TaskPart>, graph: Graph) -> impl IntoView {
    let has_in_flight = parts.values().any(|p| p.whole.bytes_in_flight > 0);
    let rows = parts
        .into_iter()
        .map(|(id, task)| task_rows(checkpoint::task_name(&graph, id), task, has_in_flight))
        .collect_view();
    view! {
        <table class="table table-nested" data-testid="checkpoint-parts">
            <thead>
                <tr>
                    <th scope="col">"Task, subtask"</th>
                    <th scope="col" class="number" title="From the first barrier to the last one">"Alignment"</th>
                    <th scope="col" class="number" title="How long rows were held up">"Sync"</th>
                    <th scope="col" class="number" title="From then on until everything was stored">"Async"</th>
                    <th scope="col" class="number" title="From the trigger to its report">"End to end"</th>
                    <th scope="col" class="number">"New"</th>
                    <th scope="col" class="number">"Full"</th>
                    {has_in_flight.then(|| view! { <th scope="col" class="number" title="Bytes of rows on their way">"In flight"</th> })}
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
    }
}

/// The task as a whole, then its subtasks.
fn task_rows(name: String, task: TaskPart, has_in_flight: bool) -> impl IntoView {
    let TaskPart { whole, subtasks } = task;
    let of_subtask = move |(index, part): (SubtaskIndex, Part)| {
        view! {
            <tr class="row-subtask" data-testid="checkpoint-subtask">
                <td>{format!("subtask {index}")}</td>
                {numbers(part, has_in_flight)}
            </tr>
        }
    };
    view! {
        <tr class="row-task" data-testid="checkpoint-task">
            <th scope="row">{name}</th>
            {numbers(whole, has_in_flight)}
        </tr>
        {subtasks.into_iter().map(of_subtask).collect_view()}
    }
}

fn numbers(part: Part, has_in_flight: bool) -> impl IntoView {
    view! {
        <td class="number">{format::micros(part.alignment_us)}</td>
        <td class="number">{format::micros(part.sync_us)}</td>
        <td class="number">{format::micros(part.async_us)}</td>
        <td class="number">{format::duration(part.end_to_end_ms as i64)}</td>
        <td class="number">{format::bytes(part.bytes_new)}</td>
        <td class="number">{format::bytes(part.bytes_full)}</td>
        {has_in_flight.then(|| view! { <td class="number">{format::bytes(part.bytes_in_flight)}</td> })}
    }
}
