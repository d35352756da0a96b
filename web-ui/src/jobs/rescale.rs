//! Changing a job's parallelism, and the pauses that it took.

use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};
use weir_model::{
    Phase,
    api::{Job, Rescale, RescaleJob, RescaleList, RescaleStatus},
};
use weir_ui_logic::format;

use crate::{
    api,
    followed::Followed,
    live::{self, Fetched},
    parts::{
        badge::StatusBadge,
        states::{self, Empty, ErrorNotice},
    },
};

const PERIOD: Duration = Duration::from_secs(2);

/// A field for the parallelism, and what rescales there were.
#[component]
pub(super) fn RescaleTab(followed: Followed) -> impl IntoView {
    let id = followed.id;
    let rescales = live::poll(PERIOD, followed.may_grow(), move || async move {
        api::get::<RescaleList>(&api::job_path(id, "/rescales")).await
    });
    followed.refresh_on_moves(rescales);
    let list = move || rescales.value.get().map(|l| l.rescales).unwrap_or_default();
    let can_rescale = Memo::new(move |_| {
        let allows = |p: Phase| p == Phase::Stopped || !(p.is_terminal() || p == Phase::Cancelling);
        followed.phase.get().is_some_and(allows)
    });
    view! {
        {move || can_rescale.get().then(|| view! { <RescaleForm followed=followed rescales=rescales /> })}
        {states::fetched(rescales, "rescales", move || {
            move || if list().is_empty() {
                view! { <Empty title="No rescales" hint="This job has kept the parallelism that it began with." /> }.into_any()
            } else {
                view! { <RescaleTable rescales=list() /> }.into_any()
            }
        })}
    }
}

#[component]
fn RescaleForm(followed: Followed, rescales: Fetched<RescaleList>) -> impl IntoView {
    let now = followed.part(|j| Some(j.rescale_to.unwrap_or(j.parallelism)));
    let text = RwSignal::new(now.get_untracked().map_or(String::new(), |p| p.to_string()));
    let error = RwSignal::new(None::<api::Error>);
    let is_asking = RwSignal::new(false);
    let wanted = Memo::new(move |_| text.read().trim().parse::<u32>().ok());
    let rescale = move || {
        let Some(parallelism) = wanted.get_untracked() else {
            return;
        };
        is_asking.set(true);
        spawn_local(async move {
            let path = api::job_path(followed.id, "/rescale");
            let answer = api::post::<Job>(&path, &RescaleJob { parallelism }).await;
            if is_asking.try_set(false).is_some() {
                return;
            }
            error.set(answer.err());
            followed.job.refresh();
            rescales.refresh();
        });
    };
    let hint = move || match followed.phase.get() {
        Some(Phase::Running) => "Takes a checkpoint and goes on from it; the pause is measured.",
        _ => "The job does not run: it gets this parallelism when it does.",
    };
    view! {
        <form
            class="bar-form"
            on:submit=move |event| {
                event.prevent_default();
                rescale();
            }
        >
            <label class="field-inline">
                <span>"Parallelism"</span>
                <input
                    class="input input-number"
                    inputmode="numeric"
                    data-testid="rescale-parallelism"
                    aria-invalid=move || wanted.get().is_none().to_string()
                    bind:value=text
                />
            </label>
            <button
                type="submit"
                class="button button-primary"
                data-testid="rescale-job"
                disabled=move || is_asking.get() || wanted.get().is_none() || wanted.get() == now.get()
            >
                "Rescale"
            </button>
            <span class="is-faint">{hint}</span>
        </form>
        <ErrorNotice error=error />
    }
}

#[component]
fn RescaleTable(rescales: Vec<Rescale>) -> impl IntoView {
    view! {
        <div class="table-scroll">
            <table class="table" data-testid="rescales-table">
                <thead>
                    <tr>
                        <th scope="col">"Asked for, UTC"</th>
                        <th scope="col">"Parallelism"</th>
                        <th scope="col">"Status"</th>
                        <th scope="col" class="number" title="From the moment at which its tasks were told to stop until all ran again">"Pause"</th>
                        <th scope="col" class="number" title="The part of the pause in which no task ran">"Of it without tasks"</th>
                        <th scope="col">"Running since, UTC"</th>
                    </tr>
                </thead>
                <tbody>{rescales.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
}

fn row(rescale: Rescale) -> impl IntoView {
    let Rescale {
        from,
        to,
        status,
        requested_at_ms,
        running_at_ms,
        pause_ms,
        redeploy_ms,
    } = rescale;
    let (word, tone) = match status {
        RescaleStatus::InProgress => ("in progress", "busy"),
        RescaleStatus::Completed => ("completed", "good"),
        RescaleStatus::Superseded => ("superseded", "quiet"),
    };
    let span = |ms: Option<u64>| ms.map_or_else(|| "–".to_owned(), |ms| format::duration(ms as i64));
    view! {
        <tr data-testid="rescale-row">
            <td class="nowrap">{format::date_time(requested_at_ms)}</td>
            <td class="nowrap">{format!("{from} → {to}")}</td>
            <td><StatusBadge word=word tone=tone /></td>
            <td class="number nowrap" data-testid="rescale-pause">{span(pause_ms)}</td>
            <td class="number nowrap">{span(redeploy_ms)}</td>
            <td class="nowrap">{running_at_ms.map_or_else(|| "–".to_owned(), format::date_time)}</td>
        </tr>
    }
}
