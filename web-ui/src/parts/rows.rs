//! Table rows that open.

use leptos::prelude::*;

/// The button at the beginning of a row that opens what is below it.
#[component]
pub(crate) fn Opener(
    #[prop(into)] is_open: Signal<bool>,
    /// What is opened, for those who do not see the row.
    #[prop(into)]
    label: String,
    testid: &'static str,
    on_toggle: impl Fn() + 'static,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class="icon-button opener"
            aria-expanded=move || is_open.get().to_string()
            aria-label=label
            data-testid=testid
            on:click=move |_| on_toggle()
        >
            <svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
                <path d="M5.5 3l5 5-5 5" fill="none" stroke="currentColor" stroke-width="1.8" />
            </svg>
        </button>
    }
}
