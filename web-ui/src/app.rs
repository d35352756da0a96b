//! The frame around all pages, and which page is where.

use std::time::Duration;

use leptos::prelude::*;
use leptos_router::{
    components::{Route, Router, Routes},
    hooks::use_location,
    path,
};
use weir_model::api::Info;
use weir_ui_logic::format;

use crate::{
    api,
    connectors::ConnectorsPage,
    editor::NewJobPage,
    jobs::{JobPage, JobsPage},
    live::{self, Clock, Fetched},
    parts::{set_title, states::Empty},
    savepoints::SavepointsPage,
    secrets::SecretsPage,
    workers::WorkersPage,
};

const INFO_PERIOD: Duration = Duration::from_secs(3);

/// The whole console.
#[component]
pub(crate) fn App() -> impl IntoView {
    Clock::provide();
    view! {
        <Router>
            <a class="skip-link" href="#main" rel="external">"Skip to content"</a>
            <TopBar />
            <main id="main" tabindex="-1">
                <Routes fallback=NotFoundPage>
                    <Route path=path!("/") view=JobsPage />
                    <Route path=path!("/jobs") view=JobsPage />
                    <Route path=path!("/jobs/new") view=NewJobPage />
                    <Route path=path!("/jobs/:id/:tab?") view=JobPage />
                    <Route path=path!("/savepoints/:id?") view=SavepointsPage />
                    <Route path=path!("/connectors/:name?") view=ConnectorsPage />
                    <Route path=path!("/secrets") view=SecretsPage />
                    <Route path=path!("/workers") view=WorkersPage />
                </Routes>
            </main>
        </Router>
    }
}

#[component]
fn TopBar() -> impl IntoView {
    let info = live::poll(INFO_PERIOD, true.into(), || api::get::<Info>("/info"));
    view! {
        <header class="topbar">
            <a class="brand" href="/jobs" aria-label="Weir, to the jobs">
                <svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
                    <path class="brand-water" d="M2 8c2.5-2 4.5-2 7 0s4.5 2 7 0v3.2c-2.5 2-4.5 2-7 0s-4.5-2-7 0z" />
                    <path class="brand-dam" d="M17.5 4H21l1.5 16h-5z" />
                    <path class="brand-water" d="M2 15c2.5-2 4.5-2 7 0s4.5 2 7 0v3.2c-2.5 2-4.5 2-7 0s-4.5-2-7 0z" />
                </svg>
                <span>"Weir"</span>
            </a>
            <Navigation />
            <div class="topbar-end">
                <ClusterSummary info=info />
                <a class="quiet-link" href="/api/docs" rel="external" data-testid="nav-api">"API"</a>
                <ThemeToggle />
            </div>
        </header>
    }
}

#[component]
fn Navigation() -> impl IntoView {
    let path = use_location().pathname;
    let link = move |href: &'static str, testid: &'static str, text: &'static str| {
        let current = move || (section(&path.read()) == Some(href)).then_some("page");
        view! { <a href=href aria-current=current data-testid=testid>{text}</a> }
    };
    view! {
        <nav class="nav" aria-label="Main">
            {link("/jobs", "nav-jobs", "Jobs")}
            {link("/jobs/new", "nav-new-job", "New job")}
            {link("/savepoints", "nav-savepoints", "Savepoints")}
            {link("/connectors", "nav-connectors", "Connectors")}
            {link("/secrets", "nav-secrets", "Secrets")}
            {link("/workers", "nav-workers", "Workers")}
        </nav>
    }
}

/// The entry of the navigation that a path belongs to.
fn section(path: &str) -> Option<&'static str> {
    match path.trim_end_matches('/') {
        "/jobs/new" => Some("/jobs/new"),
        "/workers" => Some("/workers"),
        "/secrets" => Some("/secrets"),
        path if path == "/savepoints" || path.starts_with("/savepoints/") => Some("/savepoints"),
        path if path == "/connectors" || path.starts_with("/connectors/") => Some("/connectors"),
        path if path.is_empty() || path == "/jobs" || path.starts_with("/jobs/") => Some("/jobs"),
        _ => None,
    }
}

#[component]
fn ClusterSummary(info: Fetched<Info>) -> impl IntoView {
    move || {
        if let Some(error) = info.error.get() {
            let words = if error.code().is_some() {
                "Cluster unavailable"
            } else {
                "No connection"
            };
            return view! { <span class="cluster cluster-down" role="status" title=error.to_string()>{words}</span> }
                .into_any();
        }
        let Some(Info {
            slots,
            free_slots,
            workers,
            version,
        }) = info.value.get()
        else {
            return ().into_any();
        };
        view! {
            <a class="cluster" href="/workers" data-testid="cluster-summary" title=format!("Weir {version}")>
                <strong>{free_slots}</strong>
                {format!(" of {} free · {}", format::counted(slots.into(), "slot"), format::counted(workers.into(), "worker"))}
            </a>
        }
        .into_any()
    }
}

/// Light or dark. `theme.js` sets what was chosen, or what the system says, before the first paint.
#[component]
fn ThemeToggle() -> impl IntoView {
    let root = || document().document_element();
    let current = || root().and_then(|r| r.get_attribute("data-theme"));
    let is_dark = RwSignal::new(current().as_deref() == Some("dark"));
    let toggle = move |_| {
        is_dark.update(|d| *d = !*d);
        let theme = if is_dark.get() { "dark" } else { "light" };
        if let Some(root) = root() {
            let _ = root.set_attribute("data-theme", theme);
        }
        if let Ok(Some(storage)) = window().local_storage() {
            let _ = storage.set_item("weir-theme", theme);
        }
    };
    let label = move || {
        if is_dark.get() {
            "Switch to the light theme"
        } else {
            "Switch to the dark theme"
        }
    };
    view! {
        <button type="button" class="icon-button" aria-label=label title=label data-testid="theme-toggle" on:click=toggle>
            <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
                <circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="1.6" />
                <path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" />
            </svg>
        </button>
    }
}

#[component]
fn NotFoundPage() -> impl IntoView {
    set_title("Not found");
    view! {
        <div class="page">
            <Empty title="There is no such page" hint="The address may be misspelt, or from another version of Weir.">
                <a class="button" href="/jobs">"To the jobs"</a>
            </Empty>
        </div>
    }
}
