//! The connectors `http`, `sse` and `websocket` on servers of the test's own, that refuse, are slow, and go away.

use weir_connector::Table;
use weir_tests::connectors;

mod lookup;
mod poll;
mod sink;
mod sse;
mod web;
mod websocket;

/// A table with the one column `n`.
fn table(connector: &str, url: &str, options: &[(&str, &str)]) -> Table {
    let mut all = vec![("url", url), ("format", "json")];
    all.extend(options);
    connectors::table(connector, vec![connectors::number("n")], &all)
}

/// Runs a test on a runtime.
fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new()
        .expect("a runtime starts")
        .block_on(test);
}
