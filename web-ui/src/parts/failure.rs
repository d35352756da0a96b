//! Why a job or an execution ended.

use leptos::prelude::*;
use weir_model::{Failure, FailureClass};

/// Whose fault a failure is, as a label.
pub(crate) fn class_label(class: FailureClass) -> &'static str {
    match class {
        FailureClass::User => "query or data",
        FailureClass::External => "external system",
        FailureClass::Internal => "cluster",
    }
}

/// Where it happened: input, operator, subtask, as far as known.
fn place(failure: &Failure) -> Vec<(&'static str, String)> {
    let operator = failure
        .operator_name
        .clone()
        .or(failure.operator.map(|o| format!("operator {o}")));
    [
        ("Input", failure.place.clone()),
        ("Operator", operator),
        ("Subtask", failure.subtask.map(|s| s.to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// A failure with its class and place. The tone is that of an error, unless the job goes on.
#[component]
pub(crate) fn FailureBox(
    title: &'static str,
    failure: Failure,
    #[prop(optional)] goes_on: bool,
) -> impl IntoView {
    let place = place(&failure)
        .into_iter()
        .map(|(name, value)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> })
        .collect_view();
    view! {
        <section
            class="failure"
            class:failure-goes-on=goes_on
            role="alert"
            data-testid="job-failure"
            data-class=class_label(failure.class)
        >
            <h2>{title}</h2>
            <p class="failure-message">{failure.message}</p>
            <dl class="failure-place">
                <div><dt>"Cause"</dt><dd>{class_label(failure.class)}</dd></div>
                {place}
            </dl>
        </section>
    }
}
