//! What is wrong and where, and the nearest right name to put there.

use leptos::{html::Textarea, prelude::*};
use weir_model::{Location, Problem};
use weir_ui_logic::{edit::Edit, sql};

use super::{caret, check::Verdict};

/// The line below the editor.
#[component]
pub(super) fn VerdictLine(#[prop(into)] verdict: Signal<Verdict>, area: NodeRef<Textarea>) -> impl IntoView {
    let line = move || match verdict.get() {
        Verdict::Empty => view! { <p class="verdict">"Write a script, or load an example."</p> }.into_any(),
        Verdict::Checking => view! { <p class="verdict">"Checking …"</p> }.into_any(),
        Verdict::Valid => {
            view! { <p class="verdict verdict-valid" data-testid="validation-ok">"This script can run."</p> }
                .into_any()
        }
        Verdict::Wrong(problem) => view! { <ProblemBox problem=problem area=area /> }.into_any(),
        Verdict::Unknown(error) => {
            view! { <p class="verdict verdict-unknown">"The script is not checked. " {error.to_string()}</p> }
                .into_any()
        }
    };
    view! { <div id="editor-verdict" aria-live="polite">{line}</div> }
}

/// A problem with the script, which leads to its place.
#[component]
pub(super) fn ProblemBox(problem: Problem, area: NodeRef<Textarea>) -> impl IntoView {
    let Problem {
        code,
        detail,
        location,
        suggestion,
        ..
    } = problem;
    let place = location.map(|location| {
        let Location { line, column } = location;
        view! {
            <button type="button" class="link-button" data-testid="go-to-error" on:click=move |_| go_to(area, location)>
                {format!("Line {line}, column {column}")}
            </button>
            ": "
        }
    });
    let fix = suggestion.map(|name| {
        let replace = location.map(|location| {
            let with = name.clone();
            view! {
                <button
                    type="button"
                    class="button button-small"
                    data-testid="apply-suggestion"
                    on:click=move |_| put(area, location, &with)
                >
                    "Put it there"
                </button>
            }
        });
        view! { <span class="suggestion">"Did you mean " <code>{name}</code> "? " {replace}</span> }
    });
    view! {
        <div
            class="notice notice-error"
            data-testid="validation-error"
            data-code=code.as_str()
            data-line=location.map(|l| l.line.to_string())
            data-column=location.map(|l| l.column.to_string())
        >
            <p>{place} {detail} " " <code class="code">{code.as_str()}</code></p>
            {fix}
        </div>
    }
}

fn go_to(area: NodeRef<Textarea>, location: Location) {
    let Some(area) = area.get_untracked() else { return };
    let text = area.value();
    let start = sql::offset_of(&text, location);
    let end = sql::token_at(&text, location).end.max(start);
    caret::select(&area, &text, start..end);
}

fn put(area: NodeRef<Textarea>, location: Location, name: &str) {
    let Some(area) = area.get_untracked() else { return };
    let text = area.value();
    let range = sql::token_at(&text, location);
    // A name within quotes keeps them.
    let quote = text[range.clone()]
        .chars()
        .next()
        .filter(|c| matches!(c, '\'' | '`' | '"'));
    let name = quote.map_or_else(|| name.to_owned(), |q| format!("{q}{}{q}", name.trim_matches(q)));
    let caret = range.start + name.len();
    caret::apply(
        &area,
        &Edit {
            range,
            text: name,
            selection: caret..caret,
        },
    );
}
