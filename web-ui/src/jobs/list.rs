//! All jobs, with filters.

use std::time::Duration;

use leptos::prelude::*;
use weir_model::{
    JobId, Phase,
    api::{Job, JobList},
};
use weir_ui_logic::format;

use super::duration_ms;
use crate::{
    api,
    live::{self, Clock},
    parts::{
        badge::PhaseBadge,
        set_title,
        states::{self, Empty},
    },
};

const PERIOD: Duration = Duration::from_secs(2);

/// What the list is narrowed to.
#[derive(Clone, Copy)]
struct Filter {
    text: RwSignal<String>,
    phase: RwSignal<Option<Phase>>,
}

impl Filter {
    fn lets(&self, job: &Job) -> bool {
        let in_phase = self.phase.get().is_none_or(|p| p == job.phase);
        let text = self.text.read().trim().to_lowercase();
        in_phase && (job.name.to_lowercase().contains(&text) || job.id.to_string().contains(&text))
    }

    fn clear(&self) {
        self.text.set(String::new());
        self.phase.set(None);
    }
}

/// All jobs, the newest first; refreshes itself.
#[component]
pub(crate) fn JobsPage() -> impl IntoView {
    set_title("Jobs");
    let jobs = live::poll(PERIOD, true.into(), || api::get::<JobList>("/jobs"));
    let filter = Filter {
        text: RwSignal::new(String::new()),
        phase: RwSignal::new(None),
    };
    let is_empty = Memo::new(move |_| jobs.value.with(|l| l.as_ref().is_none_or(|l| l.jobs.is_empty())));
    let new_job =
        || view! { <a class="button button-primary" href="/jobs/new" data-testid="new-job">"New job"</a> };
    view! {
        <div class="page">
            <div class="page-head">
                <h1>"Jobs"</h1>
                <p class="page-sub">{move || jobs.value.with(|l| l.as_ref().map(|l| summary(&l.jobs)))}</p>
                <div class="page-actions">{new_job()}</div>
            </div>
            {states::fetched(jobs, "jobs", move || {
                move || if is_empty.get() {
                    view! {
                        <Empty
                            title="No jobs yet"
                            hint="A job is a SQL script that runs until its input ends or you cancel it. \
                                  Start from an example, or write your own."
                        >
                            {new_job()}
                        </Empty>
                    }.into_any()
                } else {
                    view! { <Filters filter=filter /> <JobsTable jobs=jobs.value filter=filter /> }.into_any()
                }
            })}
        </div>
    }
}

fn summary(jobs: &[Job]) -> String {
    let in_phase = |phase| jobs.iter().filter(|j| j.phase == phase).count();
    let parts: Vec<String> = [Phase::Running, Phase::Restarting, Phase::Failed]
        .into_iter()
        .filter(|p| in_phase(*p) > 0)
        .map(|p| format!("{} {p}", in_phase(p)))
        .collect();
    let all = format::counted(jobs.len() as u64, "job");
    if parts.is_empty() {
        all
    } else {
        format!("{all}, {}", parts.join(", "))
    }
}

#[component]
fn Filters(filter: Filter) -> impl IntoView {
    let option = move |phase: Phase| {
        view! {
            <option value=phase.as_str() selected=move || filter.phase.get() == Some(phase)>{phase.as_str()}</option>
        }
    };
    view! {
        <div class="filters" role="search">
            <input
                type="search"
                class="input"
                placeholder="Find by name or id"
                aria-label="Find by name or id"
                data-testid="filter-text"
                prop:value=filter.text
                on:input=move |event| filter.text.set(event_target_value(&event))
            />
            <select
                class="input"
                aria-label="Phase"
                data-testid="filter-phase"
                on:change=move |event| filter.phase.set(event_target_value(&event).parse().ok())
            >
                <option value="" selected=move || filter.phase.get().is_none()>"every phase"</option>
                {Phase::ALL.into_iter().map(option).collect_view()}
            </select>
        </div>
    }
}

#[component]
fn JobsTable(#[prop(into)] jobs: Signal<Option<JobList>>, filter: Filter) -> impl IntoView {
    let shown = Memo::new(move |_| {
        let of = |list: &JobList| {
            list.jobs
                .iter()
                .filter(|j| filter.lets(j))
                .map(|j| j.id)
                .collect::<Vec<_>>()
        };
        jobs.with(|l| l.as_ref().map(of).unwrap_or_default())
    });
    let nothing_fits = move || {
        shown.with(Vec::is_empty).then(|| {
            view! {
                <div class="state state-small" data-testid="no-match">
                    <p>"No job fits the filters."</p>
                    <button type="button" class="button" on:click=move |_| filter.clear()>"Clear the filters"</button>
                </div>
            }
        })
    };
    view! {
        <div class="table-scroll">
            <table class="table" data-testid="jobs-table">
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Phase"</th>
                        <th scope="col" class="number">"Parallelism"</th>
                        <th scope="col">"Started"</th>
                        <th scope="col">"Duration"</th>
                        <th scope="col" class="number">"Restarts"</th>
                        <th scope="col">"Id"</th>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || shown.get() key=|id| *id let:id>
                        <Row id=id jobs=jobs />
                    </For>
                </tbody>
            </table>
        </div>
        {nothing_fits}
    }
}

/// A row is made once per job and then changes in place, so that the focus stays where it is.
#[component]
fn Row(id: JobId, jobs: Signal<Option<JobList>>) -> impl IntoView {
    let now = Clock::now();
    let job = Memo::new(move |last: Option<&Option<Job>>| {
        let find = |list: &JobList| list.jobs.iter().find(|j| j.id == id).cloned();
        // A job that is gone keeps its last look until its row is taken away.
        jobs.with(|l| l.as_ref().and_then(find))
            .or_else(|| last.cloned().flatten())
    });
    let part = move |pick: fn(&Job) -> String| job.with(|j| j.as_ref().map(pick));
    let phase = Signal::derive(move || job.with(|j| j.as_ref().map_or(Phase::Created, |j| j.phase)));
    let started = move || match job.with(|j| j.as_ref().and_then(|j| j.started_at_ms)) {
        Some(ms) => format::ago(now.get() - ms),
        None => "not yet".to_owned(),
    };
    let started_exactly = move || {
        job.with(|j| {
            j.as_ref()?
                .started_at_ms
                .map(|ms| format!("{} UTC", format::date_time(ms)))
        })
    };
    let duration = move || job.with(|j| Some(format::duration(duration_ms(j.as_ref()?, now.get())?)));
    view! {
        <tr data-testid="job-row">
            <td class="cell-main">
                <a href=format!("/jobs/{id}") data-testid="job-link">{move || part(|j| j.name.clone())}</a>
                <span class="cell-sub">{move || part(reason)}</span>
            </td>
            <td><PhaseBadge phase=phase /></td>
            <td class="number">{move || part(|j| j.parallelism.to_string())}</td>
            <td title=started_exactly>{started}</td>
            <td>{duration}</td>
            <td class="number">{move || part(|j| j.attempt.0.saturating_sub(1).to_string())}</td>
            <td><code title=id.to_string()>{format::short_id(&id.to_string()).to_owned()}</code></td>
        </tr>
    }
}

/// Why a job stands where it stands, if that needs words.
fn reason(job: &Job) -> String {
    match (&job.phase_reason, &job.failure) {
        (Some(reason), _) => reason.clone(),
        (None, Some(failure)) if matches!(job.phase, Phase::Failed | Phase::Restarting) => {
            failure.message.clone()
        }
        _ => String::new(),
    }
}
