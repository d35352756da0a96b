//! A question before what can't be undone.

use leptos::{html::Dialog, prelude::*};

/// Asks while `open`; the browser keeps the focus within, and Escape says no.
#[component]
pub(crate) fn Confirm(
    open: RwSignal<bool>,
    title: &'static str,
    #[prop(into)] text: String,
    /// The word on the button that does it.
    action: &'static str,
    /// The word on the button that doesn't.
    keep: &'static str,
    testid: &'static str,
    on_confirm: impl Fn() + 'static,
) -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    Effect::new(move |_| {
        let Some(dialog) = dialog.get() else { return };
        match (open.get(), dialog.open()) {
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    view! {
        <dialog class="dialog" node_ref=dialog aria-label=title on:close=move |_| open.set(false)>
            <h2>{title}</h2>
            <p>{text}</p>
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>{keep}</button>
                <button
                    type="button"
                    class="button button-danger"
                    data-testid=testid
                    on:click=move |_| {
                        open.set(false);
                        on_confirm();
                    }
                >
                    {action}
                </button>
            </div>
        </dialog>
    }
}
