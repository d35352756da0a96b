//! Loading, empty, failed, and data that could not be refreshed.

use leptos::prelude::*;
use weir_model::ErrorCode;

use crate::{api, live::Fetched};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Loading,
    Failed,
    Ready,
}

/// Shows `ready` once there is a value; until then that it is loading, or why it can't be had, with a retry. Once there
/// is a value, a failed refresh is a notice above it.
pub(crate) fn fetched<T, V>(
    fetched: Fetched<T>,
    what: &'static str,
    ready: impl Fn() -> V + Send + 'static,
) -> impl IntoView
where
    T: Send + Sync + 'static,
    V: IntoView + 'static,
{
    let stage = Memo::new(move |_| {
        match (
            fetched.value.with(Option::is_some),
            fetched.error.with(Option::is_some),
        ) {
            (true, _) => Stage::Ready,
            (false, true) => Stage::Failed,
            (false, false) => Stage::Loading,
        }
    });
    move || match stage.get() {
        Stage::Loading => view! { <Loading what=what /> }.into_any(),
        Stage::Failed => {
            view! { <Failed what=what error=fetched.error on_retry=move || fetched.refresh() /> }.into_any()
        }
        Stage::Ready => view! { <Stale error=fetched.error /> {ready()} }.into_any(),
    }
}

/// Something is on its way.
#[component]
pub(crate) fn Loading(what: &'static str) -> impl IntoView {
    view! {
        <div class="state" role="status" data-testid="loading-state">
            <span class="spinner" aria-hidden="true"></span>
            <p>{format!("Loading {what} …")}</p>
        </div>
    }
}

/// There is nothing yet, and what to do about it.
#[component]
pub(crate) fn Empty(
    title: &'static str,
    #[prop(into)] hint: String,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="state" data-testid="empty-state">
            <h2>{title}</h2>
            <p>{hint}</p>
            {children.map(|c| c())}
        </div>
    }
}

/// It can't be had, why, and a retry; for what does not exist, a way out.
#[component]
fn Failed(
    what: &'static str,
    #[prop(into)] error: Signal<Option<api::Error>>,
    on_retry: impl Fn() + Send + 'static,
) -> impl IntoView {
    let code = Memo::new(move |_| error.with(|e| e.as_ref().and_then(api::Error::code)));
    let code_view = move || {
        code.get()
            .map(|c| view! { <code class="code">{c.as_str()}</code> })
    };
    let is_missing = Memo::new(move |_| code.get() == Some(ErrorCode::JobNotFound));
    view! {
        <div class="state state-error" role="alert" data-testid="error-state">
            <h2>{format!("Could not load {what}")}</h2>
            <p>{move || error.get().map(|e| e.to_string())}" "{code_view}</p>
            <a class="button" class:is-hidden=move || !is_missing.get() href="/jobs">"To the jobs"</a>
            <button
                type="button"
                class="button"
                class:is-hidden=is_missing
                data-testid="retry"
                on:click=move |_| on_retry()
            >
                "Try again"
            </button>
        </div>
    }
}

/// A notice above data that could not be refreshed.
#[component]
fn Stale(#[prop(into)] error: Signal<Option<api::Error>>) -> impl IntoView {
    move || {
        error.get().map(|e| {
            view! {
                <p class="notice notice-warning" role="status" data-testid="stale-notice">
                    {format!("What you see may be out of date. {e}")}
                </p>
            }
        })
    }
}

/// What the server said to a request, at the place of the request.
#[component]
pub(crate) fn ErrorNotice(#[prop(into)] error: Signal<Option<api::Error>>) -> impl IntoView {
    move || {
        error.get().map(|e| {
            let code = e.code().map(|c| view! { " " <code class="code">{c.as_str()}</code> });
            view! { <p class="notice notice-error" role="alert" data-testid="request-error">{e.to_string()}{code}</p> }
        })
    }
}
