//! One job and its tabs.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use weir_model::{JobId, Phase, graph::Graph};

use super::{
    events::Events, exceptions::Exceptions, executions::Executions, head::Head, output::OutputTab,
    rescale::RescaleTab, script::Script,
};
use crate::{
    api,
    checkpoints::Checkpoints,
    followed::Followed,
    graph::{GraphView, Numbers},
    live,
    parts::{
        set_title,
        states::{self, Empty},
    },
    savepoints::JobSavepoints,
};

/// The page of the job in the path.
#[component]
pub(crate) fn JobPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.read().get("id").and_then(|id| id.parse::<JobId>().ok()));
    move || match id.get() {
        Some(id) => view! { <JobView id=id /> }.into_any(),
        None => view! {
            <div class="page">
                <Empty title="No such job" hint="The address has no valid job id in it.">
                    <a class="button" href="/jobs">"To the jobs"</a>
                </Empty>
            </div>
        }
        .into_any(),
    }
}

#[component]
fn JobView(id: JobId) -> impl IntoView {
    set_title("Job");
    let followed = Followed::new(id);
    Effect::new(move |_| {
        if let Some(name) = followed.job.value.with(|j| j.as_ref().map(|j| j.name.clone())) {
            set_title(&name);
        }
    });
    view! {
        <div class="page">
            {states::fetched(followed.job, "this job", move || {
                view! { <Head followed=followed /> <Tabs followed=followed /> }
            })}
        </div>
    }
}

/// The last part of the path, and the words for it. The first is the default.
const TABS: [(&str, &str); 9] = [
    ("graph", "Graph"),
    ("output", "Output"),
    ("checkpoints", "Checkpoints"),
    ("savepoints", "Savepoints"),
    ("rescale", "Rescale"),
    ("exceptions", "Exceptions"),
    ("events", "Events"),
    ("executions", "Executions"),
    ("sql", "SQL"),
];

#[component]
fn Tabs(followed: Followed) -> impl IntoView {
    let params = use_params_map();
    let Followed { id, .. } = followed;
    let current = Memo::new(move |_| {
        let wanted = params.read().get("tab").unwrap_or_default();
        TABS.iter()
            .map(|(tab, _)| *tab)
            .find(|tab| *tab == wanted)
            .unwrap_or(TABS[0].0)
    });
    let link = move |(tab, words): (&'static str, &'static str)| {
        view! {
            <a
                href=format!("/jobs/{id}/{tab}")
                aria-current=move || (current.get() == tab).then_some("page")
                data-testid=format!("tab-{tab}")
            >
                {words}
            </a>
        }
    };
    view! {
        <nav class="tabs" aria-label="About this job">{TABS.into_iter().map(link).collect_view()}</nav>
        {move || match current.get() {
            "output" => view! { <OutputTab followed=followed /> }.into_any(),
            "checkpoints" => view! { <Checkpoints followed=followed /> }.into_any(),
            "savepoints" => view! { <JobSavepoints followed=followed /> }.into_any(),
            "rescale" => view! { <RescaleTab followed=followed /> }.into_any(),
            "exceptions" => view! { <Exceptions followed=followed /> }.into_any(),
            "events" => view! { <Events followed=followed /> }.into_any(),
            "executions" => view! { <Executions followed=followed /> }.into_any(),
            "sql" => view! { <Script followed=followed /> }.into_any(),
            _ => view! { <GraphTab followed=followed /> }.into_any(),
        }}
    }
}

#[component]
fn GraphTab(followed: Followed) -> impl IntoView {
    let id = followed.id;
    let is_running = Signal::derive(move || {
        matches!(
            followed.phase.get(),
            Some(Phase::Running | Phase::Stopping | Phase::Cancelling)
        )
    });
    let numbers = Numbers {
        metrics: followed.metrics.value.into(),
        is_running,
    };
    let graph = live::fetch(move || async move { api::get::<Graph>(&api::job_path(id, "/graph")).await });
    states::fetched(graph, "graph", move || {
        let graph = graph.value.get_untracked().unwrap_or_default();
        if graph.operators.is_empty() {
            return view! { <Empty title="No operators" hint="The plan of this job is empty." /> }.into_any();
        }
        view! { <GraphView graph=graph numbers=numbers /> }.into_any()
    })
}
