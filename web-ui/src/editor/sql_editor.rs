//! A text area with line numbers, colours and a mark at the error.
//!
//! The text area is transparent and lies over the coloured text, which gives both their size; they scroll as one.

use std::fmt::Write;

use leptos::{html::Textarea, prelude::*};
use web_sys::KeyboardEvent;
use weir_model::Location;
use weir_ui_logic::{edit, sql};

use super::caret;

/// Edits `sql`. Tab indents; after Escape, it leaves the editor as it leaves any other field.
#[component]
pub(super) fn SqlEditor(
    text: RwSignal<String>,
    area: NodeRef<Textarea>,
    #[prop(into)] mark: Signal<Option<Location>>,
    on_submit: impl Fn() + 'static,
) -> impl IntoView {
    let tab_leaves = RwSignal::new(false);
    Effect::new(move |_| {
        let Some(area) = area.get() else { return };
        let text = text.read();
        if area.value() != *text {
            area.set_value(&text);
        }
    });
    let lines = Memo::new(move |_| text.read().matches('\n').count() + 1);
    let wrong_line = Memo::new(move |_| mark.get().map(|m| m.line));
    let on_keydown = move |event: KeyboardEvent| {
        let Some(area) = area.get_untracked() else { return };
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
            event.prevent_default();
            on_submit();
            return;
        }
        let before = area.value();
        let selection = caret::selection(&area, &before);
        let edit = match event.key().as_str() {
            "Tab" if tab_leaves.get_untracked() => return,
            "Tab" if event.shift_key() => edit::outdent(&before, selection),
            "Tab" => edit::indent(&before, selection),
            "Enter" if !event.shift_key() && !event.is_composing() => edit::new_line(&before, selection),
            "Escape" => return tab_leaves.set(true),
            "Shift" | "Control" | "Alt" | "Meta" => return,
            _ => return tab_leaves.set(false),
        };
        event.prevent_default();
        caret::apply(&area, &edit);
    };
    view! {
        <div class="editor">
            <div class="editor-scroll">
                <pre
                    class="editor-gutter"
                    aria-hidden="true"
                    inner_html=move || gutter(lines.get(), wrong_line.get())
                ></pre>
                <div class="editor-text">
                    <pre
                        class="editor-colours"
                        aria-hidden="true"
                        inner_html=move || sql::to_html(&text.read(), mark.get())
                    ></pre>
                    <textarea
                        class="editor-input"
                        node_ref=area
                        data-testid="sql-editor"
                        aria-label="SQL"
                        aria-describedby="editor-help editor-verdict"
                        aria-invalid=move || mark.get().is_some().to_string()
                        wrap="off"
                        spellcheck="false"
                        autocomplete="off"
                        autocapitalize="off"
                        placeholder="CREATE TABLE … WITH ('connector' = …);\n\nINSERT INTO … SELECT …;"
                        on:input=move |event| text.set(event_target_value(&event))
                        on:keydown=on_keydown
                        on:blur=move |_| tab_leaves.set(false)
                    ></textarea>
                </div>
            </div>
        </div>
        <p class="hint" id="editor-help">
            <kbd>"Tab"</kbd>" indents; press " <kbd>"Esc"</kbd> " first to leave the editor with it. "
            <kbd>"Ctrl"</kbd> " + " <kbd>"Enter"</kbd> " submits."
        </p>
    }
}

fn gutter(lines: usize, wrong_line: Option<u64>) -> String {
    let mut html = String::new();
    for line in 1..=lines {
        let _ = if wrong_line == Some(line as u64) {
            writeln!(
                html,
                "<span class=\"gutter-error\" data-testid=\"error-line\">{line}</span>"
            )
        } else {
            writeln!(html, "{line}")
        };
    }
    html
}
