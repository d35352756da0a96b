//! The page for a new job: write, check, look at the plan, submit.
//!
//! - [`page`]: the page, and what it asks the server.
//! - [`draft`]: what is being written; kept in the browser between visits.
//! - [`check`]: asks whether the script could be a job, once the typing pauses.
//! - [`sql_editor`]: a text area with line numbers, colours and a mark at the error.
//! - [`caret`]: selections and replacements in a text area.
//! - [`problem`]: what is wrong and where, and the nearest right name to put there.
//! - [`beginning`]: the savepoint that the job begins with, compared with the script.
//! - [`compatibility`]: what becomes of the savepoint's state, operator by operator.
//! - [`examples`]: scripts to start from.

mod beginning;
mod caret;
mod check;
mod compatibility;
mod draft;
mod examples;
mod page;
mod problem;
mod sql_editor;

pub(crate) use self::page::NewJobPage;

/// Adds a statement to the script that is being written.
pub(crate) fn append_to_draft(statement: &str) {
    draft::Draft::append(statement);
}
