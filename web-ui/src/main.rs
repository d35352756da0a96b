//! The web console: jobs, their graphs and their output, live, and a place to write new ones.
//!
//! It is a client of the public REST API and of nothing else. In reading order:
//!
//! - [`api`]: requests, and what can go wrong with them. Leans on `weir-model`.
//! - [`live`]: values kept fresh by asking again, the clock, and the event stream of a job. Leans on `api`.
//! - [`parts`]: what every page is made of: states, badges, dialogs. Leans on `live`.
//! - [`graph`]: the operator graph and the panel of one operator. Leans on `parts` and `weir-ui-logic`.
//! - [`followed`]: a job that is followed live. Leans on `live`.
//! - [`checkpoints`]: the checkpoints of a job. Leans on `followed` and `parts`.
//! - [`savepoints`]: the catalogue, and the savepoints of a job. Leans on `followed` and `parts`.
//! - [`jobs`]: the list, and the page of one job. Leans on `graph`, `checkpoints` and `savepoints`.
//! - [`editor`]: the page for a new job. Leans on `graph`.
//! - [`connectors`]: what tables can be made of, and tables tried. Leans on `editor` and `parts`.
//! - [`secrets`]: the secrets' page. Leans on `parts`.
//! - [`workers`]: the workers' page. Leans on `parts`.
//! - [`app`]: the frame around all pages, and which page is where. Leans on all of the above.

// The macro for components makes public types of private functions.
#![allow(unreachable_pub)]

mod api;
mod app;
mod checkpoints;
mod connectors;
mod editor;
mod followed;
mod graph;
mod jobs;
mod live;
mod parts;
mod savepoints;
mod secrets;
mod workers;

fn main() {
    std::panic::set_hook(Box::new(|panic| {
        web_sys::console::error_1(&panic.to_string().into());
    }));
    leptos::mount::mount_to_body(app::App);
}
