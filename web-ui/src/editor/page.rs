//! The page for a new job, and what it asks the server.

use leptos::{
    html::{Section, Textarea},
    prelude::*,
    task::spawn_local,
};
use leptos_router::{
    NavigateOptions,
    hooks::{use_navigate, use_query_map},
};
use weir_model::{
    ErrorCode, JobId, Problem, SavepointId,
    api::{Example, ExplainRequest, ExplainResponse, Job, Savepoint},
};

use super::{
    beginning::{Comparison, SavepointField, keep_compared},
    caret,
    check::{Verdict, keep_checked},
    compatibility::CompatibilityReport,
    draft::Draft,
    examples::Examples,
    problem::VerdictLine,
    sql_editor::SqlEditor,
};
use crate::{
    api,
    graph::{GraphView, Numbers},
    parts::{set_title, states::ErrorNotice},
};

/// The state of the page.
#[derive(Clone, Copy)]
struct Page {
    draft: Draft,
    area: NodeRef<Textarea>,
    verdict: RwSignal<Verdict>,
    comparison: RwSignal<Comparison>,
    plan: RwSignal<Option<ExplainResponse>>,
    /// What the server said to the last submit or explain.
    refusal: RwSignal<Option<api::Error>>,
    is_submitting: RwSignal<bool>,
    is_explaining: RwSignal<bool>,
}

/// Write, check, look at the plan, submit.
#[component]
pub(crate) fn NewJobPage() -> impl IntoView {
    set_title("New job");
    let draft = Draft::restore();
    let verdict = keep_checked(draft);
    let page = Page {
        draft,
        area: NodeRef::new(),
        verdict,
        comparison: keep_compared(draft, verdict),
        plan: RwSignal::new(None),
        refusal: RwSignal::new(None),
        is_submitting: RwSignal::new(false),
        is_explaining: RwSignal::new(false),
    };
    page.load_from_query();
    // What the server said is about the script as it was.
    Effect::new(move |_| {
        draft.sql.track();
        draft.parallelism_text.track();
        draft.savepoint.track();
        page.refusal.set(None);
    });
    let navigate = use_navigate();
    let submit = Callback::new(move |()| {
        let navigate = navigate.clone();
        page.submit(move |job| navigate(&format!("/jobs/{}", job.id), NavigateOptions::default()));
    });
    let mark = Memo::new(move |_| page.verdict.with(|v| v.problem().and_then(|p| p.location)));
    view! {
        <div class="page">
            <div class="page-head"><h1>"New job"</h1></div>
            <div class="new-job">
                <div class="new-job-main">
                    <SqlEditor text=draft.sql area=page.area mark=mark on_submit=move || submit.run(()) />
                    <VerdictLine verdict=page.verdict area=page.area />
                    <CompatibilityReport comparison=page.comparison draft=draft />
                </div>
                <div class="new-job-side">
                    <Form page=page submit=submit />
                    <Examples on_load=Callback::new(move |example| page.load(&example)) />
                </div>
            </div>
            <Plan page=page />
        </div>
    }
}

impl Page {
    fn load(self, example: &Example) {
        if let Some(area) = self.area.get_untracked() {
            caret::replace_all(&area, &example.sql);
        }
        self.draft.name.set(example.name.clone());
        self.plan.set(None);
    }

    /// `?from=ID` starts with that job's script, `?savepoint=ID` with that savepoint and its script.
    fn load_from_query(self) {
        let query = use_query_map();
        let of = |key: &str| query.with_untracked(|q| q.get(key));
        if let Some(id) = of("from").and_then(|id| id.parse::<JobId>().ok()) {
            self.load_later(async move {
                let job = api::get::<Job>(&api::job_path(id, "")).await?;
                Ok((job.sql, job.name, job.parallelism))
            });
        }
        if let Some(id) = of("savepoint").and_then(|id| id.parse::<SavepointId>().ok()) {
            self.load_script_of(id);
        }
    }

    /// The script that the savepoint was taken of.
    fn load_script_of(self, id: SavepointId) {
        self.load_later(async move {
            let savepoint = api::get::<Savepoint>(&api::savepoint_path(id, "")).await?;
            self.draft.savepoint.try_set(Some(id));
            Ok((savepoint.sql, savepoint.job_name, savepoint.parallelism))
        });
    }

    /// A script, its job's name and parallelism, once they are there.
    fn load_later(self, load: impl Future<Output = api::Result<(String, String, u32)>> + 'static) {
        spawn_local(async move {
            match load.await {
                Ok((sql, name, parallelism)) => {
                    self.draft.sql.try_set(sql);
                    self.draft.name.try_set(name);
                    self.draft.parallelism_text.try_set(parallelism.to_string());
                }
                Err(error) => drop(self.refusal.try_set(Some(error))),
            }
        });
    }

    /// Whether the savepoint, if one is chosen, lets a job begin.
    fn lets_start(self) -> bool {
        let allow_dropped_state = self.draft.allow_dropped_state.get();
        self.comparison.with(|c| c.lets_start(allow_dropped_state))
    }

    fn submit(self, on_created: impl FnOnce(Job) + 'static) {
        let is_ready = || self.lets_start() && !self.draft.parallelism_is_unreadable();
        if self.is_submitting.get_untracked() || !untrack(is_ready) {
            return;
        }
        self.is_submitting.set(true);
        let request = self.draft.request();
        spawn_local(async move {
            let answer = api::post::<Job>("/jobs", &request).await;
            if self.is_submitting.try_set(false).is_some() {
                return;
            }
            match answer {
                Ok(job) => {
                    Draft::forget();
                    on_created(job);
                }
                Err(error) => self.refuse(error),
            }
        });
    }

    fn explain(self) {
        if self.is_explaining.get_untracked() {
            return;
        }
        self.is_explaining.set(true);
        let created = self.draft.request();
        let request = ExplainRequest {
            sql: created.sql,
            parallelism: created.parallelism,
        };
        spawn_local(async move {
            let answer = api::post::<ExplainResponse>("/sql/explain", &request).await;
            if self.is_explaining.try_set(false).is_some() {
                return;
            }
            match answer {
                Ok(plan) => {
                    self.refusal.set(None);
                    self.plan.set(Some(plan));
                }
                Err(error) => self.refuse(error),
            }
        });
    }

    /// A refusal that is about the parallelism belongs to its field.
    fn refused_parallelism(self) -> Option<String> {
        let about = |p: &Problem| p.code == ErrorCode::InvalidRequest && p.detail.contains("parallelism");
        self.refusal.with(|e| {
            e.as_ref()
                .and_then(|e| e.problem())
                .filter(|p| about(p))
                .map(|p| p.detail.clone())
        })
    }

    /// The rest of the refusals, for below the buttons.
    fn refused_otherwise(self) -> Option<api::Error> {
        self.refusal
            .get()
            .filter(|_| self.refused_parallelism().is_none())
    }

    /// What is wrong with the script is said where the script is.
    fn refuse(self, error: api::Error) {
        match error {
            api::Error::Problem(problem) if is_about_script(&problem) => {
                self.verdict.set(Verdict::Wrong(*problem));
            }
            error => self.refusal.set(Some(error)),
        }
    }
}

fn is_about_script(problem: &Problem) -> bool {
    use ErrorCode as Code;
    let codes = [
        Code::SqlSyntax,
        Code::SqlUnknownName,
        Code::SqlType,
        Code::SqlUnsupported,
        Code::SqlInvalid,
        Code::UnknownConnector,
        Code::UnknownOption,
        Code::MissingOption,
        Code::InvalidOption,
        Code::SourceUnavailable,
    ];
    problem.location.is_some() || codes.contains(&problem.code)
}

#[component]
fn Form(page: Page, submit: Callback<()>) -> impl IntoView {
    let draft = page.draft;
    let parallelism_error = move || {
        if draft.parallelism_is_unreadable() {
            return Some("Parallelism is a whole number from 1 to 1024.".to_owned());
        }
        page.refused_parallelism()
    };
    let is_empty = Memo::new(move |_| draft.sql.read().trim().is_empty());
    let other = Signal::derive(move || page.refused_otherwise());
    view! {
        <form
            class="form"
            on:submit=move |event| {
                event.prevent_default();
                submit.run(());
            }
        >
            <label class="field">
                <span>"Name"</span>
                <input class="input" data-testid="job-name" placeholder="from the script, else the sink" maxlength="200" bind:value=draft.name />
            </label>
            <label class="field">
                <span>"Parallelism"</span>
                <input
                    class="input"
                    inputmode="numeric"
                    data-testid="parallelism"
                    placeholder="from the script, else 1"
                    aria-invalid=move || parallelism_error().is_some().to_string()
                    bind:value=draft.parallelism_text
                />
                {move || parallelism_error().map(|e| view! {
                    <span class="field-error" role="alert" data-testid="parallelism-error">{e}</span>
                })}
            </label>
            <SavepointField draft=draft on_load=Callback::new(move |id| page.load_script_of(id)) />
            <div class="form-actions">
                <button
                    type="submit"
                    class="button button-primary"
                    data-testid="submit-job"
                    disabled=move || is_empty.get() || page.is_submitting.get() || !page.lets_start()
                >
                    {move || if page.is_submitting.get() { "Submitting …" } else { "Submit" }}
                </button>
                <button
                    type="button"
                    class="button"
                    data-testid="explain"
                    disabled=move || is_empty.get() || page.is_explaining.get()
                    on:click=move |_| page.explain()
                >
                    {move || if page.is_explaining.get() { "Explaining …" } else { "Explain" }}
                </button>
            </div>
            {move || (page.comparison.with(Comparison::is_known) && !page.lets_start()).then(|| view! {
                <p class="hint" data-testid="submit-hint">"Not with this savepoint: see its state below the script."</p>
            })}
            <ErrorNotice error=other />
        </form>
    }
}

/// The graph that the script would run as; brought into view, since it is below all else.
#[component]
fn Plan(page: Page) -> impl IntoView {
    let section = NodeRef::<Section>::new();
    Effect::new(move |_| {
        if let Some(section) = section.get() {
            section.scroll_into_view();
        }
    });
    move || {
        let ExplainResponse { graph, text } = page.plan.get()?;
        Some(view! {
            <section class="plan" node_ref=section aria-label="Plan" data-testid="plan">
                <div class="section-head">
                    <h2>"Plan"</h2>
                    <button type="button" class="button button-small" on:click=move |_| page.plan.set(None)>"Close"</button>
                </div>
                <GraphView graph=graph numbers=Numbers::none() />
                <details class="plan-text">
                    <summary>"As text"</summary>
                    <pre>{text}</pre>
                </details>
            </section>
        })
    }
}
