//! What is asked before something is done.

use leptos::{html::Dialog, prelude::*};

/// A box above the page while `open`; the browser keeps the focus within, and Escape closes it.
#[component]
pub(crate) fn Modal(open: RwSignal<bool>, title: &'static str, children: Children) -> impl IntoView {
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
            {children()}
        </dialog>
    }
}

/// A question before what can't be undone.
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
    on_confirm: impl Fn() + Send + 'static,
) -> impl IntoView {
    view! {
        <Modal open=open title=title>
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
        </Modal>
    }
}
