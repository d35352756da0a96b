//! What becomes of the savepoint's state, operator by operator, before the job is started.

use leptos::prelude::*;
use weir_model::api::{Compatibility, OperatorCompatibility, StateFate};

use super::{beginning::Comparison, draft::Draft};
use crate::parts::{badge::StatusBadge, states::ErrorNotice};

/// Below the editor, when a savepoint is chosen.
#[component]
pub(super) fn CompatibilityReport(comparison: RwSignal<Comparison>, draft: Draft) -> impl IntoView {
    let body = move || {
        let line = |words: &'static str| view! { <p class="verdict">{words}</p> }.into_any();
        let body = match comparison.get() {
            Comparison::Empty => return None,
            Comparison::Waiting => line("The savepoint is compared when the script can run."),
            Comparison::Comparing => line("Comparing the savepoint with the script …"),
            Comparison::Unknown(error) => {
                view! { <ErrorNotice error=Signal::stored(Some(error)) /> }.into_any()
            }
            Comparison::Known(report) => view! { <Report report=report draft=draft /> }.into_any(),
        };
        Some(view! {
            <section class="compatibility" aria-label="State of the savepoint" aria-live="polite" data-testid="compatibility">
                <h2>"State of the savepoint"</h2>
                {body}
            </section>
        })
    };
    body
}

#[component]
fn Report(report: Compatibility, draft: Draft) -> impl IntoView {
    let Compatibility {
        compatible,
        compatible_if_dropped,
        operators,
    } = report;
    let verdict = if compatible {
        view! { <p class="notice notice-good" data-testid="compatibility-verdict">"This script can begin with the savepoint."</p> }
            .into_any()
    } else if compatible_if_dropped {
        view! { <DropChoice draft=draft /> }.into_any()
    } else {
        view! { <p class="notice notice-error" data-testid="compatibility-verdict">"This script can't begin with the savepoint."</p> }
            .into_any()
    };
    if operators.is_empty() {
        return view! { {verdict} <p class="is-faint">"Neither the savepoint nor the script has state."</p> }
            .into_any();
    }
    view! {
        {verdict}
        <div class="table-scroll">
            <table class="table" data-testid="compatibility-table">
                <thead>
                    <tr>
                        <th scope="col">"Operator"</th>
                        <th scope="col">"Its state"</th>
                        <th scope="col">"Why"</th>
                    </tr>
                </thead>
                <tbody>{operators.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

/// State that no operator wants is left behind only when somebody says so.
#[component]
fn DropChoice(draft: Draft) -> impl IntoView {
    view! {
        <div class="notice notice-warning" data-testid="compatibility-verdict">
            <p>"The savepoint has state that this script has no use for; the list says which."</p>
            <label class="choice">
                <input type="checkbox" data-testid="allow-dropped-state" bind:checked=draft.allow_dropped_state />
                <span>"Leave that state behind"</span>
            </label>
        </div>
    }
}

fn row(operator: OperatorCompatibility) -> impl IntoView {
    let OperatorCompatibility {
        uid,
        name,
        fate,
        reason,
    } = operator;
    let (word, tone) = match fate {
        StateFate::Kept => ("kept", "good"),
        StateFate::New => ("new", "busy"),
        StateFate::Dropped => ("dropped", "warn"),
        StateFate::Unusable => ("cannot be used", "bad"),
    };
    view! {
        <tr data-testid="compatibility-row" data-fate=word>
            <td class="cell-main">
                <strong>{name}</strong>
                <span class="cell-sub"><code>{uid}</code></span>
            </td>
            <td><StatusBadge word=word tone=tone /></td>
            <td class="cell-text">{reason}</td>
        </tr>
    }
}
