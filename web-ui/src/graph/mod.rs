//! The operator graph, with live numbers if there are any, and the panel of one operator.
//!
//! - [`node`]: an operator in the drawing.
//! - [`panel`]: all about one operator, beside the drawing.

mod node;
mod panel;

use leptos::prelude::*;
use weir_model::{
    OperatorId, TaskId,
    graph::{Edge, Graph, Operator},
    metrics::JobMetrics,
};
use weir_ui_logic::{
    format, graph as words,
    layout::{self, Layout, Link, Rect, Sizes},
};

use self::{node::OperatorNode, panel::OperatorPanel};

const SIZES: Sizes = Sizes {
    node_width: 252.0,
    node_height: 84.0,
    node_gap: 18.0,
    frame_padding: 12.0,
    frame_header: 52.0,
    frame_gap: 28.0,
    layer_gap: 136.0,
};
/// Room around the drawing for strokes and for the focus ring.
const MARGIN: f64 = 6.0;
/// A graph that is wider than its place is drawn smaller down to this scale, then it scrolls.
const SMALLEST_SCALE: f64 = 0.72;
const LABEL_CHARS: usize = 17;

/// The numbers of a graph.
#[derive(Clone, Copy)]
pub(crate) struct Numbers {
    /// None for a plan.
    pub(crate) metrics: Signal<Option<JobMetrics>>,
    /// Whether they change: rates and loads say something.
    pub(crate) is_running: Signal<bool>,
}

impl Numbers {
    /// Those of a plan.
    pub(crate) fn none() -> Self {
        Self {
            metrics: Signal::stored(None),
            is_running: Signal::stored(false),
        }
    }
}

/// A graph to look at and to pick operators from.
#[component]
pub(crate) fn GraphView(graph: Graph, numbers: Numbers) -> impl IntoView {
    let selected = RwSignal::new(None::<OperatorId>);
    let drawing = layout::layout(&graph, &SIZES);
    let graph = StoredValue::new(graph);
    let panel = move || {
        let operator =
            graph.with_value(|g| g.operators.iter().find(|o| Some(o.id) == selected.get()).cloned())?;
        Some(view! { <OperatorPanel operator=operator numbers=numbers selected=selected /> })
    };
    view! {
        <div class="graph" class:has-panel=move || selected.get().is_some() data-testid="graph">
            <div class="graph-scroll">{drawing_view(&drawing, graph, numbers, selected)}</div>
            {panel}
        </div>
    }
}

fn drawing_view(
    drawing: &Layout,
    graph: StoredValue<Graph>,
    numbers: Numbers,
    selected: RwSignal<Option<OperatorId>>,
) -> impl IntoView + use<> {
    let (width, height) = (drawing.width + 2.0 * MARGIN, drawing.height + 2.0 * MARGIN);
    let frames = drawing
        .frames
        .iter()
        .map(|frame| {
            let parallelism = graph.with_value(|g| parallelism(g, frame.task));
            view! { <TaskFrame task=frame.task rect=frame.rect parallelism=parallelism numbers=numbers /> }
        })
        .collect_view();
    let links = graph.with_value(|g| {
        drawing
            .links
            .iter()
            .map(|l| (link_path(l), link_label(l, &g.edges[l.edge])))
            .collect::<Vec<_>>()
    });
    // Labels come last, so that no line runs over them.
    let (paths, labels): (Vec<_>, Vec<_>) = links.into_iter().unzip();
    let place = |operator: &Operator| {
        drawing
            .nodes
            .iter()
            .find(|n| n.operator == operator.id)
            .map(|n| n.rect)
    };
    let nodes = graph.with_value(|g| {
        let placed = g.operators.iter().filter_map(|o| Some((o.clone(), place(o)?)));
        placed
            .map(|(operator, rect)| {
                view! { <OperatorNode operator=operator rect=rect numbers=numbers selected=selected /> }
            })
            .collect_view()
    });
    view! {
        <svg
            class="graph-drawing"
            viewBox=format!("{} {} {width} {height}", -MARGIN, -MARGIN)
            style:width="100%"
            style:max-width=format!("{width}px")
            style:min-width=format!("{}px", width * SMALLEST_SCALE)
            role="group"
            aria-label="Operator graph"
        >
            <defs>
                <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
                    <path d="M0 0.5L7.5 4L0 7.5z" class="graph-arrow" />
                </marker>
            </defs>
            {frames}
            {paths}
            {nodes}
            {labels}
        </svg>
    }
}

fn parallelism(graph: &Graph, task: TaskId) -> u32 {
    graph
        .operators
        .iter()
        .find(|o| o.task == task)
        .map_or(1, |o| o.parallelism)
}

/// The frame of a task: its operators are chained, so they share a thread, and its load is theirs together.
#[component]
fn TaskFrame(task: TaskId, rect: Rect, parallelism: u32, numbers: Numbers) -> impl IntoView {
    let load = Memo::new(move |_| {
        let load = numbers.metrics.with(|m| words::load(m.as_ref()?, task));
        load.filter(|_| numbers.is_running.get())
    });
    let level = move || load.get().map_or("calm", |l| l.level());
    let inner = rect.width - 2.0 * SIZES.frame_padding;
    let left = rect.x + SIZES.frame_padding;
    let bar = move || {
        let load = load.get()?;
        let (busy, backpressured) = (load.busy.clamp(0.0, 1.0), load.backpressured.clamp(0.0, 1.0));
        let busiest = load.busiest.map_or(String::new(), |(subtask, share)| {
            format!("; busiest subtask {subtask}: {}", format::percent(share))
        });
        let title = format!(
            "busy {}, backpressured {}{busiest}",
            format::percent(busy),
            format::percent(backpressured)
        );
        let words = if load.level() == "backpressured" {
            format!("backpressured {}", format::percent(backpressured))
        } else {
            format!("busy {}", format::percent(busy))
        };
        Some(view! {
            <g>
                <title>{title}</title>
                <text class="task-load" x=left + inner y=rect.y + 22.0 text-anchor="end">{words}</text>
                <rect class="task-bar" x=left y=rect.y + 32.0 width=inner height="4" rx="2" />
                <rect class="task-bar-busy" x=left y=rect.y + 32.0 width=inner * busy height="4" rx="2" />
                <rect
                    class="task-bar-backpressured"
                    x=left + inner * busy
                    y=rect.y + 32.0
                    width=inner * backpressured.min(1.0 - busy)
                    height="4"
                    rx="2"
                />
            </g>
        })
    };
    view! {
        <g class="task" data-level=level data-testid=format!("task-{task}")>
            <rect class="task-frame" x=rect.x y=rect.y width=rect.width height=rect.height rx="8" />
            <text class="task-title" x=left y=rect.y + 22.0>
                {format!("Task {task} · {}", format::counted(parallelism.into(), "subtask"))}
            </text>
            {bar}
        </g>
    }
}

fn link_path(link: &Link) -> impl IntoView + use<> {
    view! { <path class="graph-link" class:is-chained=link.is_chained d=link.path.clone() marker-end="url(#arrow)" /> }
}

/// A direct call needs no words; the rest says how rows are spread.
fn link_label(link: &Link, edge: &Edge) -> Option<impl IntoView + use<>> {
    if link.is_chained {
        return None;
    }
    let whole = words::partitioning(&edge.partitioning);
    let text = format::truncate(&whole, LABEL_CHARS);
    let (x, y) = link.label;
    let width = text.chars().count() as f64 * 6.6 + 12.0;
    Some(view! {
        <g class="link-label">
            <title>{whole}</title>
            <rect x=x - width / 2.0 y=y - 10.0 width=width height="20" rx="4" />
            <text x=x y=y + 4.0 text-anchor="middle">{text}</text>
        </g>
    })
}
