//! All checkpoints of a job, with what each took and cost.

use std::time::Duration;

use leptos::prelude::*;
use weir_model::{
    JobId,
    api::{Checkpoint, CheckpointKind, CheckpointList, CheckpointStatus},
};
use weir_ui_logic::format;

use super::breakdown::Breakdown;
use crate::{
    api,
    followed::Followed,
    live::{self, Clock},
    parts::{
        badge::StatusBadge,
        rows::Opener,
        states::{self, Empty},
    },
};

const PERIOD: Duration = Duration::from_secs(2);
const COLUMNS: u32 = 9;

/// Checkpoints and savepoints, the newest first; each opens.
#[component]
pub(crate) fn Checkpoints(followed: Followed) -> impl IntoView {
    let id = followed.id;
    let checkpoints = live::poll(PERIOD, followed.may_grow(), move || async move {
        api::get::<CheckpointList>(&api::job_path(id, "/checkpoints")).await
    });
    followed.refresh_on_moves(checkpoints);
    let is_empty = Memo::new(move |_| {
        checkpoints
            .value
            .with(|l| l.as_ref().is_none_or(|l| l.checkpoints.is_empty()))
    });
    states::fetched(checkpoints, "checkpoints", move || {
        move || {
            if is_empty.get() {
                let hint = "A job takes them when its script says how often: \
                            SET 'execution.checkpointing.interval' = '10 s'. A savepoint is listed here too.";
                view! { <Empty title="No checkpoints yet" hint=hint /> }.into_any()
            } else {
                view! { <Summary list=checkpoints.value /> <CheckpointTable id=id list=checkpoints.value /> }
                    .into_any()
            }
        }
    })
}

/// What the listed ones say together.
#[component]
fn Summary(#[prop(into)] list: Signal<Option<CheckpointList>>) -> impl IntoView {
    let now = Clock::now();
    let with = |status| move |c: &&Checkpoint| c.status == status;
    let counts = move || {
        list.with(|l| {
            let all = &l.as_ref()?.checkpoints;
            let failed = all.iter().filter(with(CheckpointStatus::Failed)).count();
            let there = all.iter().filter(|c| is_there(c.status)).count();
            Some(format!(
                "{} completed, {failed} failed",
                format::count(there as u64)
            ))
        })
    };
    let last = Memo::new(move |_| {
        list.with(|l| {
            let all = &l.as_ref()?.checkpoints;
            all.iter()
                .find(|c| c.status == CheckpointStatus::Completed)
                .cloned()
        })
    });
    let last_words = move || {
        let last = last.get()?;
        let ended_at_ms = last.ended_at_ms?;
        Some(format!(
            "#{}, {}, took {}, state {}",
            last.number,
            format::ago(now.get() - ended_at_ms),
            format::duration(ended_at_ms - last.begun_at_ms),
            format::bytes(last.bytes_full)
        ))
    };
    view! {
        <dl class="fact-row" data-testid="checkpoint-summary">
            <div><dt>"Listed"</dt><dd>{counts}</dd></div>
            <div><dt>"Last completed"</dt><dd>{move || last_words().unwrap_or_else(|| "none".to_owned())}</dd></div>
        </dl>
    }
}

fn is_there(status: CheckpointStatus) -> bool {
    matches!(status, CheckpointStatus::Completed | CheckpointStatus::Discarded)
}

#[component]
fn CheckpointTable(id: JobId, #[prop(into)] list: Signal<Option<CheckpointList>>) -> impl IntoView {
    let open = RwSignal::new(None::<u64>);
    let numbers = Memo::new(move |_| {
        list.with(|l| {
            l.iter()
                .flat_map(|l| &l.checkpoints)
                .map(|c| c.number)
                .collect::<Vec<_>>()
        })
    });
    view! {
        <div class="table-scroll">
            <table class="table" data-testid="checkpoints-table">
                <thead>
                    <tr>
                        <th scope="col"><span class="visually-hidden">"Open"</span></th>
                        <th scope="col" class="number">"Id"</th>
                        <th scope="col">"Kind"</th>
                        <th scope="col">"Status"</th>
                        <th scope="col">"Started, UTC"</th>
                        <th scope="col" class="number">"Duration"</th>
                        <th scope="col" class="number" title="Bytes that were stored for it alone">"State, new"</th>
                        <th scope="col" class="number" title="Bytes of all of its files, those shared with earlier ones included">"State, full"</th>
                        <th scope="col">"Why it failed"</th>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || numbers.get() key=|number| *number let:number>
                        <Row id=id number=number list=list open=open />
                    </For>
                </tbody>
            </table>
        </div>
    }
}

/// A row is made once per checkpoint and then changes in place, so that what is open stays open.
#[component]
fn Row(
    id: JobId,
    number: u64,
    list: Signal<Option<CheckpointList>>,
    open: RwSignal<Option<u64>>,
) -> impl IntoView {
    let now = Clock::now();
    let checkpoint = Memo::new(move |last: Option<&Option<Checkpoint>>| {
        let found = list.with(|l| {
            l.as_ref()?
                .checkpoints
                .iter()
                .find(|c| c.number == number)
                .cloned()
        });
        found.or_else(|| last.cloned().flatten())
    });
    let part = move |pick: fn(&Checkpoint) -> String| checkpoint.with(|c| c.as_ref().map(pick));
    let status = Memo::new(move |_| checkpoint.with(|c| c.as_ref().map(|c| c.status)));
    let duration = move || {
        checkpoint.with(|c| {
            let c = c.as_ref()?;
            Some(format::duration(
                c.ended_at_ms.unwrap_or_else(|| now.get()) - c.begun_at_ms,
            ))
        })
    };
    let bytes = move |of: fn(&Checkpoint) -> u64| {
        checkpoint
            .with(|c| {
                c.as_ref()
                    .filter(|c| is_there(c.status))
                    .map(|c| format::bytes(of(c)))
            })
            .unwrap_or_else(|| "–".to_owned())
    };
    let is_open = Memo::new(move |_| open.get() == Some(number));
    let toggle = move || open.update(|o| *o = (*o != Some(number)).then_some(number));
    view! {
        <tr data-testid="checkpoint-row" data-status=move || status.get().map(CheckpointStatus::as_str)>
            <td class="cell-opener">
                <Opener is_open=is_open label=format!("Checkpoint {number} by task") testid="open-checkpoint" on_toggle=toggle />
            </td>
            <td class="number">{number}</td>
            <td>{move || part(|c| c.kind.as_str().to_owned())}</td>
            <td>{move || status.get().map(status_badge)}</td>
            <td class="nowrap">{move || part(|c| format::date_time(c.begun_at_ms))}</td>
            <td class="number nowrap">{duration}</td>
            <td class="number nowrap">{move || bytes(|c| c.bytes_new)}</td>
            <td class="number nowrap">{move || bytes(|c| c.bytes_full)}</td>
            <td class="cell-text">{move || part(|c| c.failure.clone().unwrap_or_default())}</td>
        </tr>
        {move || is_open.get().then(|| view! {
            <tr class="row-detail">
                <td colspan=COLUMNS>
                    <Breakdown id=id number=number status=status />
                    <p class="hint">
                        {move || part(|c| if c.kind == CheckpointKind::Savepoint { "Savepoint in " } else { "Manifest in " }.to_owned())}
                        <code>{move || part(|c| c.url.clone())}</code>
                    </p>
                </td>
            </tr>
        })}
    }
}

fn status_badge(status: CheckpointStatus) -> impl IntoView {
    let (word, tone) = match status {
        CheckpointStatus::InProgress => ("in progress", "busy"),
        CheckpointStatus::Completed => ("completed", "good"),
        CheckpointStatus::Failed => ("failed", "bad"),
        CheckpointStatus::Discarded => ("discarded", "quiet"),
    };
    view! { <StatusBadge word=word tone=tone /> }
}
