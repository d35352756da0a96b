//! The phase of a job, the state of a worker, how a checkpoint stands.

use leptos::prelude::*;
use weir_model::{Phase, api::WorkerState};

/// A job's phase. A test reads the word from `job-phase`.
#[component]
pub(crate) fn PhaseBadge(#[prop(into)] phase: Signal<Phase>) -> impl IntoView {
    view! {
        <span class="badge" data-phase=move || phase.get().as_str() data-testid="job-phase">
            {move || phase.get().as_str()}
        </span>
    }
}

/// A worker's state.
#[component]
pub(crate) fn WorkerBadge(state: WorkerState) -> impl IntoView {
    let word = match state {
        WorkerState::Alive => "alive",
        WorkerState::Lost => "lost",
    };
    view! { <span class="badge" data-worker=word>{word}</span> }
}

/// A word with the tone of what it says: `good`, `busy`, `bad` or `quiet`.
#[component]
pub(crate) fn StatusBadge(word: &'static str, tone: &'static str) -> impl IntoView {
    view! { <span class="badge" data-tone=tone>{word}</span> }
}
