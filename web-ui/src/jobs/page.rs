//! One job: what follows it live, and its tabs.

use std::time::Duration;

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use weir_model::{
    JobId, Phase,
    api::{Job, LiveUpdate},
    graph::Graph,
    metrics::JobMetrics,
};

use super::{events::Events, executions::Executions, head::Head, output::OutputTab, script::Script};
use crate::{
    api,
    graph::{GraphView, Numbers},
    live::{self, Clock, Fetched, Stream},
    parts::{
        set_title,
        states::{self, Empty},
    },
};

/// How soon a stream that the browser gave up on is opened again.
const REOPEN_PERIOD: Duration = Duration::from_secs(2);

/// How long after the end of a job its output and events are still asked for.
const SETTLING_MS: i64 = 5_000;

/// A job as its tabs see it.
#[derive(Clone, Copy)]
pub(super) struct Followed {
    pub(super) id: JobId,
    pub(super) job: Fetched<Job>,
    pub(super) metrics: Fetched<JobMetrics>,
    /// Whether the event stream is open, or needs not be.
    pub(super) is_connected: RwSignal<bool>,
    /// None until the job is known.
    pub(super) phase: Memo<Option<Phase>>,
}

impl Followed {
    fn new(id: JobId) -> Self {
        let job = live::fetch(move || async move { api::get(&api::job_path(id, "")).await });
        let metrics = live::fetch(move || async move { api::get(&api::job_path(id, "/metrics")).await });
        let phase = Memo::new(move |_| job.value.with(|j: &Option<Job>| j.as_ref().map(|j| j.phase)));
        let followed = Self {
            id,
            job,
            metrics,
            is_connected: RwSignal::new(true),
            phase,
        };
        followed.stream();
        followed
    }

    /// Whether anything can still change.
    pub(super) fn is_live(self) -> Signal<bool> {
        Signal::derive(move || self.phase.get().is_some_and(|p| !p.is_terminal()))
    }

    /// Whether lists about it can still grow: the last entries may come a little after the end.
    pub(super) fn may_grow(self) -> Signal<bool> {
        let now = Clock::now();
        Signal::derive(move || {
            let ended_at_ms = self.job.value.with(|j| j.as_ref().map(|j| j.ended_at_ms));
            ended_at_ms.is_some_and(|at| at.is_none_or(|at| now.get() - at < SETTLING_MS))
        })
    }

    /// Keeps the event stream open while the job can change.
    fn stream(self) {
        let stream = StoredValue::new_local(None::<Stream>);
        let is_live = self.is_live();
        let open = move || {
            let opened = Stream::open(self.id, move |u| self.accept(u), move |ok| self.connection(ok));
            stream.set_value(opened);
        };
        let is_live = Memo::new(move |_| is_live.get());
        Effect::new(move |_| {
            if is_live.get() {
                open();
            } else {
                // The numbers at the end may be newer than the last message.
                if self.phase.get_untracked().is_some() {
                    self.metrics.refresh();
                }
                // Later: this may be a message's own call, and a closure can't be dropped while it runs.
                set_timeout(move || drop(stream.try_set_value(None)), Duration::ZERO);
            }
        });
        live::every(REOPEN_PERIOD, move || {
            if is_live.get_untracked() && stream.with_value(|s| s.as_ref().is_none_or(Stream::is_closed)) {
                open();
            }
        });
    }

    /// The stream leaves the script out.
    fn accept(self, update: LiveUpdate) {
        let sql = self
            .job
            .value
            .with_untracked(|j| j.as_ref().map(|j| j.sql.clone()));
        self.job.value.set(Some(Job {
            sql: sql.unwrap_or_default(),
            ..update.job
        }));
        self.metrics.value.set(Some(update.metrics));
    }

    fn connection(self, is_open: bool) {
        if self.is_connected.get_untracked() != is_open {
            self.is_connected.set(is_open);
        }
    }
}

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
const TABS: [(&str, &str); 5] = [
    ("graph", "Graph"),
    ("output", "Output"),
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
    let is_running =
        Signal::derive(move || matches!(followed.phase.get(), Some(Phase::Running | Phase::Cancelling)));
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
