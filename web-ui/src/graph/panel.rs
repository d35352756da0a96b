//! All about one operator, beside the drawing.

use leptos::{html::Aside, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{FocusOptions, HtmlElement};
use weir_model::{
    OperatorId, TaskId,
    graph::{Column, Operator},
    metrics::{JobMetrics, OperatorMetrics, SubtaskMetrics},
};
use weir_ui_logic::{format, graph as words};

use super::{Numbers, node};
use crate::parts::bar::LoadBar;

/// What it does, its columns and, while it runs, its numbers.
#[component]
pub(crate) fn OperatorPanel(
    operator: Operator,
    numbers: Numbers,
    selected: RwSignal<Option<OperatorId>>,
) -> impl IntoView {
    let Operator {
        id,
        uid,
        kind,
        name,
        description,
        task,
        parallelism,
        output,
    } = operator;
    let label = format!("Operator {name}");
    let panel = NodeRef::<Aside>::new();
    // The focus goes back to where the panel was opened from.
    let close = move || {
        selected.set(None);
        let node = document()
            .query_selector(&format!("[data-testid=operator-{id}]"))
            .ok()
            .flatten();
        if let Some(node) = node {
            let _ = node.unchecked_into::<HtmlElement>().focus();
        }
    };
    Effect::new(move |_| {
        if let Some(panel) = panel.get() {
            let stay = FocusOptions::new();
            stay.set_prevent_scroll(true);
            let _ = panel.focus_with_options(&stay);
        }
    });
    view! {
        <aside
            class="panel"
            node_ref=panel
            tabindex="-1"
            aria-label=label
            data-testid="operator-panel"
            on:keydown=move |event| {
                if event.key() == "Escape" {
                    close();
                }
            }
        >
            <div class="panel-head">
                <h2>{name}</h2>
                <button type="button" class="icon-button" aria-label="Close" on:click=move |_| close()>
                    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
                        <path d="M3.5 3.5l9 9m0-9l-9 9" stroke="currentColor" stroke-width="1.6" />
                    </svg>
                </button>
            </div>
            <pre class="panel-description">{description}</pre>
            <dl class="facts">
                <dt>"Kind"</dt><dd>{words::kind(kind)}</dd>
                <dt>"Task"</dt><dd>{task.to_string()}</dd>
                <dt>"Subtasks"</dt><dd>{parallelism}</dd>
                <dt>"Uid"</dt><dd><code>{uid}</code></dd>
            </dl>
            <OperatorNumbers id=id numbers=numbers />
            <Subtasks task=task numbers=numbers />
            <Columns columns=output />
        </aside>
    }
}

#[component]
fn OperatorNumbers(id: OperatorId, numbers: Numbers) -> impl IntoView {
    let Numbers { metrics, is_running } = numbers;
    move || {
        let (numbers, now_ms) =
            metrics.with(|m| m.as_ref().and_then(|m| Some((node::of(m, id)?, m.at_ms))))?;
        let OperatorMetrics {
            rows_in,
            rows_out,
            late_rows,
            skipped_records,
            watermark,
            lag_records,
            ..
        } = numbers;
        let is_running = is_running.get();
        let lag = format::watermark_lag(watermark, now_ms).filter(|_| is_running);
        let lag = lag.map(|lag| format!("{lag} behind the clock"));
        let rows = |n: u64, per_s: f64| {
            let now = if is_running {
                format!(" ({})", format::rate(per_s))
            } else {
                String::new()
            };
            format!("{}{now}", format::count(n))
        };
        Some(view! {
            <h3>{if is_running { "Now" } else { "At the end" }}</h3>
            <dl class="facts" data-testid="operator-numbers">
                <dt>"Rows in"</dt><dd>{rows(rows_in, numbers.rows_in_per_s)}</dd>
                <dt>"Rows out"</dt><dd>{rows(rows_out, numbers.rows_out_per_s)}</dd>
                <dt>"Watermark"</dt><dd>{watermark_text(watermark)} {lag.map(|l| view! { <br />{l} })}</dd>
                {lag_records.map(|behind| view! {
                    <dt>"Lag"</dt><dd data-testid="lag-records">{format!("{} records behind", format::count(behind))}</dd>
                })}
                <dt>"Late rows"</dt><dd class:is-warning=(late_rows > 0)>{format::count(late_rows)}</dd>
                <dt>"Skipped"</dt><dd class:is-warning=(skipped_records > 0)>{format::count(skipped_records)}</dd>
            </dl>
        })
    }
}

fn watermark_text(watermark: Option<weir_model::EventTime>) -> String {
    let text = format::watermark(watermark);
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        format!("{text} UTC")
    } else {
        text
    }
}

#[component]
fn Subtasks(task: TaskId, numbers: Numbers) -> impl IntoView {
    let subtasks = Memo::new(move |_| {
        let of_task = |m: &JobMetrics| {
            m.subtasks
                .iter()
                .filter(|s| s.task == task)
                .cloned()
                .collect::<Vec<_>>()
        };
        let subtasks = numbers.metrics.with(|m| m.as_ref().map(of_task));
        subtasks.filter(|_| numbers.is_running.get()).unwrap_or_default()
    });
    let row = |m: SubtaskMetrics| {
        view! {
            <tr>
                <td class="number">{m.subtask.to_string()}</td>
                <td><LoadBar busy=m.busy backpressured=m.backpressured /></td>
                <td class="number">{format::percent(m.busy)}</td>
                <td class="number">{format::percent(m.backpressured)}</td>
                <td title=watermark_text(m.watermark)>{format::watermark_clock(m.watermark)}</td>
            </tr>
        }
    };
    move || {
        let subtasks = subtasks.get();
        (!subtasks.is_empty()).then(|| {
            view! {
                <h3>"Subtasks of its task"</h3>
                <table class="table table-small" data-testid="subtasks-table">
                    <thead>
                        <tr>
                            <th scope="col" class="number">"#"</th>
                            <th scope="col"><span class="visually-hidden">"Load"</span></th>
                            <th scope="col" class="number">"Busy"</th>
                            <th scope="col" class="number">"Backpr."</th>
                            <th scope="col">"Watermark"</th>
                        </tr>
                    </thead>
                    <tbody>{subtasks.into_iter().map(row).collect_view()}</tbody>
                </table>
            }
        })
    }
}

#[component]
fn Columns(columns: Vec<Column>) -> impl IntoView {
    (!columns.is_empty()).then(|| {
        let row = |c: Column| view! { <tr><td>{c.name}</td><td><code>{c.sql_type}</code></td></tr> };
        view! {
            <h3>"Columns it emits"</h3>
            <table class="table table-small">
                <thead><tr><th scope="col">"Name"</th><th scope="col">"Type"</th></tr></thead>
                <tbody>{columns.into_iter().map(row).collect_view()}</tbody>
            </table>
        }
    })
}
