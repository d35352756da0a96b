//! The workers' page: where slots are, and whether they are heard from.

use std::time::Duration;

use leptos::prelude::*;
use weir_model::api::{Worker, WorkerList, WorkerState};
use weir_ui_logic::format;

use crate::{
    api,
    live::{self, Clock},
    parts::{
        badge::WorkerBadge,
        bar::UsageBar,
        set_title,
        states::{self, Empty},
    },
};

const PERIOD: Duration = Duration::from_secs(2);

/// All workers, those alive first.
#[component]
pub(crate) fn WorkersPage() -> impl IntoView {
    set_title("Workers");
    let workers = live::poll(PERIOD, true.into(), || api::get::<WorkerList>("/workers"));
    let list = move || workers.value.get().map(|l| l.workers).unwrap_or_default();
    view! {
        <div class="page">
            <div class="page-head">
                <h1>"Workers"</h1>
                <p class="page-sub">{move || workers.value.with(Option::is_some).then(|| summary(&list()))}</p>
            </div>
            {states::fetched(workers, "workers", move || {
                move || if list().is_empty() {
                    view! {
                        <Empty
                            title="No workers"
                            hint="Jobs wait until a worker offers slots. Start one with:"
                        >
                            <pre class="command">"weir worker"</pre>
                        </Empty>
                    }.into_any()
                } else {
                    view! { <WorkersTable workers=list() /> }.into_any()
                }
            })}
        </div>
    }
}

fn summary(workers: &[Worker]) -> String {
    let alive = workers.iter().filter(|w| w.state == WorkerState::Alive);
    let (mut count, mut free, mut slots) = (0, 0, 0);
    for worker in alive {
        count += 1;
        free += worker.free_slots;
        slots += worker.slots;
    }
    format!(
        "{count} alive, {free} of {} free",
        format::counted(slots.into(), "slot")
    )
}

#[component]
fn WorkersTable(workers: Vec<Worker>) -> impl IntoView {
    view! {
        <div class="table-scroll">
            <table class="table" data-testid="workers-table">
                <thead>
                    <tr>
                        <th scope="col">"State"</th>
                        <th scope="col">"Worker"</th>
                        <th scope="col">"Address"</th>
                        <th scope="col" class="number">"Process"</th>
                        <th scope="col">"Slots in use"</th>
                        <th scope="col" class="number">"CPU, cores"</th>
                        <th scope="col" class="number">"Memory"</th>
                        <th scope="col">"Last heard"</th>
                        <th scope="col">"Up"</th>
                        <th scope="col">"Version"</th>
                    </tr>
                </thead>
                <tbody>{workers.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
}

fn row(worker: Worker) -> impl IntoView {
    let now = Clock::now();
    let Worker {
        last_heartbeat_ms,
        registered_at_ms,
        ..
    } = worker;
    let is_lost = worker.state == WorkerState::Lost;
    let used = worker.slots.saturating_sub(worker.free_slots);
    let id = worker.id.to_string();
    let up = move || format::duration(if is_lost { last_heartbeat_ms } else { now.get() } - registered_at_ms);
    view! {
        <tr data-testid="worker-row" class:is-faint=is_lost>
            <td><WorkerBadge state=worker.state /></td>
            <td><code title=id.clone()>{format::short_id(&id).to_owned()}</code></td>
            <td><code>{worker.address}</code></td>
            <td class="number">{worker.pid}</td>
            <td>
                <span class="usage">
                    <UsageBar used=used total=worker.slots />
                    {format!("{used} of {}", worker.slots)}
                </span>
            </td>
            <td class="number">{format!("{:.2}", f64::from(worker.cpu_milli) / 1000.0)}</td>
            <td class="number">{format::bytes(worker.memory_bytes)}</td>
            <td title=format!("{} UTC", format::date_time(last_heartbeat_ms))>
                {move || format::ago(now.get() - last_heartbeat_ms)}
            </td>
            <td title=format!("since {} UTC", format::date_time(registered_at_ms))>{up}</td>
            <td>{worker.version}</td>
        </tr>
    }
}
