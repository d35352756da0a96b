//! What is being written; kept in the browser between visits.

use leptos::prelude::*;
use weir_model::{SavepointId, api::CreateJob};

const STORED_SQL: &str = "weir-draft";

/// The fields of the form, as text.
#[derive(Clone, Copy)]
pub(super) struct Draft {
    pub(super) sql: RwSignal<String>,
    pub(super) name: RwSignal<String>,
    pub(super) parallelism_text: RwSignal<String>,
    /// The savepoint that the job begins with.
    pub(super) savepoint: RwSignal<Option<SavepointId>>,
    /// Whether state that no operator wants may be left behind.
    pub(super) allow_dropped_state: RwSignal<bool>,
}

impl Draft {
    /// The script of the last visit, unless it was submitted.
    pub(super) fn restore() -> Self {
        let stored = storage().and_then(|s| s.get_item(STORED_SQL).ok().flatten());
        let draft = Self {
            sql: RwSignal::new(stored.unwrap_or_default()),
            name: RwSignal::new(String::new()),
            parallelism_text: RwSignal::new(String::new()),
            savepoint: RwSignal::new(None),
            allow_dropped_state: RwSignal::new(false),
        };
        Effect::new(move |_| {
            if let Some(storage) = storage() {
                let _ = storage.set_item(STORED_SQL, &draft.sql.read());
            }
        });
        draft
    }

    /// Adds a statement to the script that is being written.
    pub(super) fn append(statement: &str) {
        let Some(storage) = storage() else { return };
        let before = storage.get_item(STORED_SQL).ok().flatten().unwrap_or_default();
        let gap = if before.trim().is_empty() { "" } else { "\n\n" };
        let _ = storage.set_item(STORED_SQL, &format!("{}{gap}{statement}", before.trim_end()));
    }

    /// Forgets the script, since it is a job now.
    pub(super) fn forget() {
        if let Some(storage) = storage() {
            let _ = storage.remove_item(STORED_SQL);
        }
    }

    /// Subtasks per operator, if a number is given.
    pub(super) fn parallelism(self) -> Option<u32> {
        self.parallelism_text.read().trim().parse().ok()
    }

    /// Whether the field has a text that is no number: the server could not even read it.
    pub(super) fn parallelism_is_unreadable(self) -> bool {
        !self.parallelism_text.read().trim().is_empty() && self.parallelism().is_none()
    }

    /// Reads the fields without watching them.
    pub(super) fn request(self) -> CreateJob {
        let name = self.name.get_untracked().trim().to_owned();
        CreateJob {
            sql: self.sql.get_untracked(),
            name: (!name.is_empty()).then_some(name),
            parallelism: untrack(|| self.parallelism()),
            from: self.savepoint.get_untracked(),
            allow_dropped_state: self.allow_dropped_state.get_untracked(),
            preview: false,
        }
    }
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}
