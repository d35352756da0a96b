//! The console in a real browser, over a real cluster.
//!
//! Each test leaves pictures of what it saw in `<target folder>/browser/`.

mod connectors;
mod savepoints;
mod secrets;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use serde_json::json;
use weir_tests::{
    browser::Browser,
    cluster::{self, Cluster, Size},
    wait::{Seen, until},
};

const SECONDS_20: Duration = Duration::from_secs(20);

/// Where pictures go: beside the binary.
fn pictures() -> Result<PathBuf> {
    let folder = cluster::binary()?.with_file_name("browser");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

async fn picture(browser: &Browser, name: &str) -> Result<()> {
    browser.screenshot(&pictures()?.join(format!("{name}.png"))).await
}

/// Replaces the script in the editor as typing would.
async fn write_script(browser: &Browser, sql: &str) -> Result<()> {
    browser.find("sql-editor").await?;
    let script = "const e = document.querySelector(\"[data-testid='sql-editor']\");
                  e.value = arguments[0]; e.dispatchEvent(new Event('input', { bubbles: true }));";
    browser.run(script, &[json!(sql)]).await.map(drop)
}

/// Waits until the page shows at least this many of an element.
async fn at_least(browser: &Browser, test_id: &str, count: usize) -> Result<()> {
    until(&format!("{count} of '{test_id}'"), SECONDS_20, async || {
        let found = browser.all(test_id).await?.len();
        Ok(if found >= count {
            Seen::Done(())
        } else {
            Seen::NotYet(format!("{found} in: {}", browser.page_text().await?))
        })
    })
    .await
}

#[tokio::test]
async fn an_example_is_loaded_submitted_watched_and_read() -> Result<()> {
    let folder = cluster::folder()?;
    let cluster = Cluster::start(folder.path(), Size { workers: 2, slots: 2 }).await?;
    let browser = Browser::start(1280, 900).await?;
    browser.open(&cluster.api.url).await?;
    browser.find("empty-state").await?;
    picture(&browser, "jobs-empty").await?;

    check_error_is_marked(&browser).await?;
    check_bounded_example(&cluster, &browser).await?;
    check_live_job(&cluster, &browser).await?;
    check_workers_page(&browser).await?;
    check_unknown_job(&cluster, &browser).await?;
    drop(browser);
    cluster.stop()
}

/// An error in the SQL is named and marked at its line.
async fn check_error_is_marked(browser: &Browser) -> Result<()> {
    browser.click("new-job").await?;
    write_script(
        browser,
        "CREATE TABLE r (a INT) WITH ('connector' = 'print');\nINSERT INTO r SELECT a FROM nowhere;",
    )
    .await?;
    let said = browser
        .text_when("validation-error", SECONDS_20, |text| text.contains("nowhere"))
        .await?;
    ensure!(said.contains('2'), "the message does not name line 2: {said}");
    let marked = browser
        .text_when("error-line", SECONDS_20, |text| !text.is_empty())
        .await?;
    ensure!(marked.trim() == "2", "line {marked} is marked");
    picture(browser, "editor-error").await
}

/// An example is loaded and submitted; its graph is seen, its end and its rows.
async fn check_bounded_example(cluster: &Cluster, browser: &Browser) -> Result<()> {
    browser.click("example-visitors-per-country").await?;
    browser.fill("job-name", "visitors").await?;
    browser.fill("parallelism", "2").await?;
    browser.find("validation-ok").await?;
    picture(browser, "editor").await?;
    browser.click("submit-job").await?;

    browser
        .text_when("job-title", SECONDS_20, |text| text == "visitors")
        .await?;
    browser.find("graph").await?;
    at_least(browser, "operator-0", 1).await?;
    browser
        .text_when("job-phase", Duration::from_secs(30), |text| {
            text.eq_ignore_ascii_case("finished")
        })
        .await?;
    picture(browser, "job-finished").await?;
    browser.click("tab-output").await?;
    at_least(browser, "output-row", 1).await?;
    let shown = browser.all("output-row").await?.len();
    picture(browser, "job-output").await?;

    let jobs = cluster.api.jobs().await?.jobs;
    ensure!(jobs.len() == 1, "one job was submitted, {} are there", jobs.len());
    let rows = cluster.api.output(jobs[0].id).await?.rows;
    ensure!(rows.len() == shown, "{shown} of {} rows are shown", rows.len());
    let text = browser.page_text().await?;
    for value in rows[0].row.cells().values().filter_map(|v| v.as_str()) {
        ensure!(
            text.contains(value),
            "'{value}' of the first row is not shown in {text}"
        );
    }
    browser.click("tab-events").await?;
    at_least(browser, "event-row", 3).await?;
    picture(browser, "job-events").await
}

/// A job that never ends moves on the screen, and is cancelled there.
async fn check_live_job(cluster: &Cluster, browser: &Browser) -> Result<()> {
    browser.open(&format!("{}/jobs/new", cluster.api.url)).await?;
    browser.click("example-bids-per-auction").await?;
    browser.fill("job-name", "bids").await?;
    browser.find("validation-ok").await?;
    browser.click("submit-job").await?;
    browser
        .text_when("job-phase", SECONDS_20, |text| {
            text.eq_ignore_ascii_case("running")
        })
        .await?;
    // Numbers arrive without a reload: the source has a rate, and what its node says goes on changing.
    let flows = |text: &str| text.contains("/s") && !text.contains("in 0/s");
    let before = browser.text_when("operator-0", SECONDS_20, flows).await?;
    browser
        .text_when("operator-0", SECONDS_20, |text| flows(text) && text != before)
        .await?;
    picture(browser, "job-live").await?;

    browser.open(&cluster.api.url).await?;
    at_least(browser, "job-row", 2).await?;
    picture(browser, "jobs").await?;
    browser
        .run(
            "document.querySelectorAll(\"[data-testid='job-link']\")[0].click()",
            &[],
        )
        .await?;
    browser
        .text_when("job-title", SECONDS_20, |text| text == "bids")
        .await?;
    browser.click("cancel-job").await?;
    browser.click("confirm-cancel").await?;
    browser
        .text_when("job-phase", SECONDS_20, |text| {
            text.eq_ignore_ascii_case("cancelled")
        })
        .await?;
    Ok(())
}

async fn check_workers_page(browser: &Browser) -> Result<()> {
    browser.click("cluster-summary").await?;
    browser.find("workers-table").await?;
    at_least(browser, "worker-row", 2).await?;
    picture(browser, "workers").await?;
    let theme = "return document.documentElement.dataset.theme ?? ''";
    let before = browser.run(theme, &[]).await?;
    browser.click("theme-toggle").await?;
    ensure!(
        browser.run(theme, &[]).await? != before,
        "the theme stays {before}"
    );
    picture(browser, "workers-other-theme").await
}

async fn check_unknown_job(cluster: &Cluster, browser: &Browser) -> Result<()> {
    browser
        .open(&format!(
            "{}/jobs/00000000-0000-7000-8000-000000000000",
            cluster.api.url
        ))
        .await?;
    browser.find("error-state").await?;
    picture(browser, "job-unknown").await
}
