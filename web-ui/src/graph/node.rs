//! An operator in the drawing.

use leptos::prelude::*;
use weir_model::{
    OperatorId,
    graph::Operator,
    metrics::{JobMetrics, OperatorMetrics},
};
use weir_ui_logic::{format, graph as words, layout::Rect};

use super::Numbers;

const TITLE_CHARS: usize = 30;
const LINE_CHARS: usize = 36;
/// Baselines of the lines, from the top.
const LINES: [f64; 4] = [20.0, 38.0, 56.0, 73.0];
const PADDING: f64 = 14.0;

/// A box to click on. Its numbers are also attributes, for tests and for those who script the page.
#[component]
pub(crate) fn OperatorNode(
    operator: Operator,
    rect: Rect,
    numbers: Numbers,
    selected: RwSignal<Option<OperatorId>>,
) -> impl IntoView {
    let id = operator.id;
    let Numbers { metrics, is_running } = numbers;
    let own = Memo::new(move |_| metrics.with(|m| of(m.as_ref()?, id)));
    let is_plan = Memo::new(move |_| metrics.with(Option::is_none));
    let number = move |pick: fn(&OperatorMetrics) -> u64| own.get().map(|m| pick(&m).to_string());
    let is_selected = move || selected.get() == Some(id);
    let toggle = move || {
        let was_selected = selected.get_untracked() == Some(id);
        selected.set((!was_selected).then_some(id));
    };
    let whole = format!("{}\n{}", operator.name, operator.description);
    let columns: Vec<&str> = operator.output.iter().map(|c| c.name.as_str()).collect();
    let columns = if columns.is_empty() {
        String::new()
    } else {
        format!("emits {}", columns.join(", "))
    };
    let columns = format::truncate(&columns, LINE_CHARS);
    let description = format::truncate(&operator.description, LINE_CHARS);
    let now_ms = Memo::new(move |_| metrics.with(|m| m.as_ref().map_or(0, |m| m.at_ms)));
    view! {
        <g
            class="node"
            class:is-selected=is_selected
            data-role=words::role(operator.kind)
            role="button"
            tabindex="0"
            aria-pressed=move || is_selected().to_string()
            aria-label=operator.name.clone()
            data-testid=format!("operator-{id}")
            data-rows-in=move || number(|m| m.rows_in)
            data-rows-out=move || number(|m| m.rows_out)
            data-late-rows=move || number(|m| m.late_rows)
            data-skipped-records=move || number(|m| m.skipped_records)
            data-watermark-ms=move || own.get().and_then(|m| Some(m.watermark?.to_string()))
            on:click=move |_| toggle()
            on:keydown=move |event| {
                if matches!(event.key().as_str(), "Enter" | " ") {
                    event.prevent_default();
                    toggle();
                }
            }
        >
            <title>{whole}</title>
            <rect class="node-box" x=rect.x y=rect.y width=rect.width height=rect.height rx="6" />
            <path class="node-role" d=role_edge(&rect) />
            // A drawing of its own cuts off what is too long for the font that the browser has.
            <svg x=rect.x + PADDING y=rect.y width=rect.width - PADDING - 6.0 height=rect.height>
                <text class="node-name" y=LINES[0]>{format::truncate(&operator.name, TITLE_CHARS)}</text>
                <text class="node-line" y=LINES[1]>{description}</text>
                {move || match own.get() {
                    Some(m) if is_running.get() => rates(&m, &rect, now_ms.get()).into_any(),
                    Some(m) => sums(&m).into_any(),
                    None if is_plan.get() => view! { <text class="node-line" y=LINES[2]>{columns.clone()}</text> }.into_any(),
                    None => view! { <text class="node-line" y=LINES[2]>"no numbers yet"</text> }.into_any(),
                }}
            </svg>
            {move || own.get().as_ref().and_then(losses).map(|text| warning(&rect, text))}
        </g>
    }
}

/// An operator's numbers; none before its first report.
pub(crate) fn of(metrics: &JobMetrics, operator: OperatorId) -> Option<OperatorMetrics> {
    metrics.operators.iter().find(|m| m.operator == operator).cloned()
}

fn rates(m: &OperatorMetrics, rect: &Rect, now_ms: i64) -> impl IntoView + use<> {
    view! {
        <text class="node-rate" y=LINES[2]>
            {format!("in {}", format::rate(m.rows_in_per_s))}
            <tspan x=rect.width / 2.0 - PADDING>{format!("out {}", format::rate(m.rows_out_per_s))}</tspan>
        </text>
        <text class="node-line" y=LINES[3]>{totals(m, now_ms)}</text>
    }
}

/// What is left to say when it does not run.
fn sums(m: &OperatorMetrics) -> impl IntoView + use<> {
    view! {
        <text class="node-rate" y=LINES[2]>{format!("{} in", format::counted(m.rows_in, "row"))}</text>
        <text class="node-rate" y=LINES[3]>{format!("{} out", format::counted(m.rows_out, "row"))}</text>
    }
}

/// Rows so far and where event time is; the whole watermark is in the panel.
fn totals(m: &OperatorMetrics, now_ms: i64) -> String {
    let rows = format!("{} rows", format::short_count(m.rows_out.max(m.rows_in) as f64));
    let mark = match (m.watermark, format::watermark_lag(m.watermark, now_ms)) {
        (None, _) => return rows,
        (_, Some(lag)) => format!("{lag} behind"),
        (mark, None) => format::watermark(mark),
    };
    format!("{rows} · {mark}")
}

/// Rows that did not make it: never silently gone.
fn losses(m: &OperatorMetrics) -> Option<String> {
    match (m.late_rows, m.skipped_records) {
        (0, 0) => None,
        (late, 0) => Some(format!("{} late", format::short_count(late as f64))),
        (0, skipped) => Some(format!("{} skipped", format::short_count(skipped as f64))),
        (late, skipped) => Some(format!(
            "{} late, {} skipped",
            format::short_count(late as f64),
            format::short_count(skipped as f64)
        )),
    }
}

/// A label over the upper right corner.
fn warning(rect: &Rect, text: String) -> impl IntoView + use<> {
    let width = text.chars().count() as f64 * 6.4 + 14.0;
    let (x, y) = (rect.x + rect.width - width + 4.0, rect.y - 9.0);
    view! {
        <g class="node-warning" data-testid="node-warning">
            <rect x=x y=y width=width height="18" rx="9" />
            <text x=x + width / 2.0 y=y + 13.0 text-anchor="middle">{text}</text>
        </g>
    }
}

/// The coloured left edge of a box with round corners.
fn role_edge(rect: &Rect) -> String {
    let Rect { x, y, height, .. } = rect;
    format!(
        "M{} {y}h-1a5 5 0 0 0 -5 5v{}a5 5 0 0 0 5 5h1z",
        x + 6.0,
        height - 10.0
    )
}
