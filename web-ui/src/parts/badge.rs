//! The phase of a job, the state of a worker.

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
