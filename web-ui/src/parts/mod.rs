//! What every page is made of.
//!
//! - [`states`]: loading, empty, failed, and data that could not be refreshed.
//! - [`badge`]: the phase of a job, the state of a worker, how a checkpoint stands.
//! - [`dialog`]: what is asked before something is done.
//! - [`failure`]: why a job or an execution ended.
//! - [`rows`]: table rows that open.
//! - [`bar`]: shares of time as a bar.

pub(crate) mod badge;
pub(crate) mod bar;
pub(crate) mod dialog;
pub(crate) mod failure;
pub(crate) mod rows;
pub(crate) mod states;

use leptos::prelude::document;

/// Names the page in the browser's tab and history.
pub(crate) fn set_title(title: &str) {
    document().set_title(&format!("{title} · Weir"));
}
