//! Scripts to start from.

use leptos::prelude::*;
use weir_model::api::{Example, ExampleList};

use crate::{api, live, parts::states};

/// All examples; `on_load` gets the one that was chosen.
#[component]
pub(super) fn Examples(#[prop(into)] on_load: Callback<Example>) -> impl IntoView {
    let examples = live::fetch(|| api::get::<ExampleList>("/examples"));
    let card = move |example: Example| {
        let Example {
            name,
            title,
            description,
            ..
        } = example.clone();
        view! {
            <li>
                <button
                    type="button"
                    class="example"
                    data-testid=format!("example-{name}")
                    on:click=move |_| on_load.run(example.clone())
                >
                    <strong>{title}</strong>
                    <span>{description}</span>
                </button>
            </li>
        }
    };
    view! {
        <section class="examples" aria-label="Examples">
            <h2>"Examples"</h2>
            {states::fetched(examples, "examples", move || {
                let list = examples.value.get_untracked().map(|l| l.examples).unwrap_or_default();
                if list.is_empty() {
                    view! { <p class="hint" data-testid="empty-state">"This server has no examples."</p> }.into_any()
                } else {
                    view! { <ul class="plain-list">{list.into_iter().map(card).collect_view()}</ul> }.into_any()
                }
            })}
        </section>
    }
}
