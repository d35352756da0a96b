//! Selections and replacements in a text area.

use std::ops::Range;

use leptos::prelude::document;
use wasm_bindgen::JsCast;
use web_sys::{HtmlDocument, HtmlTextAreaElement};
use weir_ui_logic::edit::{self, Edit};

/// The selection, in bytes of the text.
pub(super) fn selection(area: &HtmlTextAreaElement, text: &str) -> Range<usize> {
    let place = |at: Result<Option<u32>, _>| edit::byte_of(text, at.ok().flatten().unwrap_or(0));
    place(area.selection_start())..place(area.selection_end())
}

/// Selects bytes of the text and brings them into view.
pub(super) fn select(area: &HtmlTextAreaElement, text: &str, range: Range<usize>) {
    let _ = area.focus();
    let _ = area.set_selection_range(edit::utf16_of(text, range.start), edit::utf16_of(text, range.end));
}

/// Makes a replacement that the user can undo.
pub(super) fn apply(area: &HtmlTextAreaElement, edit: &Edit) {
    let before = area.value();
    select(area, &before, edit.range.clone());
    insert(area, &edit.text);
    select(area, &area.value(), edit.selection.clone());
}

/// Replaces the whole text, so that the user can undo it.
pub(super) fn replace_all(area: &HtmlTextAreaElement, text: &str) {
    let end = area.value().len();
    apply(
        area,
        &Edit {
            range: 0..end,
            text: text.to_owned(),
            selection: 0..0,
        },
    );
    if let Some(scroller) = area.closest(".editor-scroll").ok().flatten() {
        scroller.set_scroll_top(0);
        scroller.set_scroll_left(0);
    }
}

/// What the user could have typed: the editing command is the only one of the browser's ways that feeds its undo.
fn insert(area: &HtmlTextAreaElement, text: &str) {
    let document: HtmlDocument = document().unchecked_into();
    let command = if text.is_empty() { "delete" } else { "insertText" };
    let done = document
        .exec_command_with_show_ui_and_value(command, false, text)
        .unwrap_or(false);
    if !done {
        let _ = area.set_range_text(text);
        let event = web_sys::Event::new("input").ok();
        let _ = event.map(|event| area.dispatch_event(&event));
    }
}
