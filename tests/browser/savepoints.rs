//! What a job's state goes through, all of it in the console: a savepoint, a rescale, a stop, another start.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use weir_model::{
    JobId, Phase,
    api::{Output, RescaleList, SavepointList, SavepointStatus},
};
use weir_tests::{
    api::Api,
    browser::Browser,
    cluster::{self, Cluster, Size},
    wait::{Seen, until},
};

use crate::{SECONDS_20, at_least, picture, write_script};

const SECONDS_40: Duration = Duration::from_secs(40);

/// Counts rows over all time, with checkpoints, so that a count says what state it began with.
const COUNTING: &str = "SET 'execution.checkpointing.interval' = '500 ms';
CREATE TABLE numbers (k INT) WITH (
    'connector' = 'datagen', 'rows-per-second' = '200', 'fields.k.min' = '0', 'fields.k.max' = '7');
CREATE TABLE counts (n BIGINT) WITH ('connector' = 'print');
INSERT INTO counts SELECT COUNT(*) FROM numbers;";

/// Has no use for the count.
const COPYING: &str = "CREATE TABLE numbers (k INT) WITH (
    'connector' = 'datagen', 'rows-per-second' = '200', 'fields.k.min' = '0', 'fields.k.max' = '7');
CREATE TABLE copies (k INT) WITH ('connector' = 'print');
INSERT INTO copies SELECT k FROM numbers;";

/// Keeps beside the count when it was written.
const EXPIRING: &str = "SET 'table.exec.state.ttl' = '1 h';
CREATE TABLE numbers (k INT) WITH (
    'connector' = 'datagen', 'rows-per-second' = '200', 'fields.k.min' = '0', 'fields.k.max' = '7');
CREATE TABLE counts (n BIGINT) WITH ('connector' = 'print');
INSERT INTO counts SELECT COUNT(*) FROM numbers;";

/// The counts that the current execution printed, in their order, as far as they are kept.
fn counts(output: &Output) -> Vec<u64> {
    let rows = output.rows.iter().map(|row| row.row.cells());
    let is_new = |op: &str| op.starts_with('+');
    rows.filter(|cells| cells.get("$op").and_then(|op| op.as_str()).is_some_and(is_new))
        .filter_map(|cells| cells.get("n")?.as_u64())
        .collect()
}

/// Waits until the job has counted beyond this, and gives all counts that are kept.
async fn counted_beyond(api: &Api, id: JobId, beyond: u64) -> Result<Vec<u64>> {
    until(&format!("a count beyond {beyond}"), SECONDS_20, async || {
        let counts = counts(&api.output(id).await?);
        Ok(match counts.last() {
            Some(last) if *last > beyond => Seen::Done(counts),
            last => Seen::NotYet(format!("{last:?}")),
        })
    })
    .await
}

/// The id of the job whose page is open.
async fn open_job(browser: &Browser) -> Result<JobId> {
    browser.find("job-title").await?;
    let address = browser.address().await?;
    let id = address
        .split("/jobs/")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .with_context(|| format!("{address} is that of a job"))?;
    Ok(id.parse()?)
}

async fn phase_is(browser: &Browser, phase: Phase) -> Result<()> {
    let is_phase = |text: &str| text.eq_ignore_ascii_case(phase.as_str());
    browser
        .text_when("job-phase", SECONDS_40, is_phase)
        .await
        .map(drop)
}

#[tokio::test]
async fn a_job_is_saved_rescaled_stopped_and_started_from_its_savepoint() -> Result<()> {
    let folder = cluster::folder()?;
    let cluster = Cluster::start(folder.path(), Size { workers: 2, slots: 2 }).await?;
    let browser = Browser::start(1280, 900).await?;
    browser.open(&format!("{}/savepoints", cluster.api.url)).await?;
    browser.find("empty-state").await?;
    picture(&browser, "savepoints-empty").await?;

    let id = submit(&cluster, &browser).await?;
    check_checkpoints(&browser).await?;
    take_savepoint(&cluster.api, &browser, id).await?;
    rescale(&cluster.api, &browser, id).await?;
    let counted = stop(&cluster.api, &browser, id).await?;
    check_catalogue(&browser).await?;
    check_compatibility(&browser).await?;
    start_from_savepoint(&cluster.api, &browser, counted).await?;
    resume(&cluster, &browser, id, counted).await?;
    drop(browser);
    cluster.stop()
}

async fn submit(cluster: &Cluster, browser: &Browser) -> Result<JobId> {
    browser.open(&format!("{}/jobs/new", cluster.api.url)).await?;
    write_script(browser, COUNTING).await?;
    browser.fill("job-name", "counting").await?;
    browser.find("validation-ok").await?;
    browser.click("submit-job").await?;
    phase_is(browser, Phase::Running).await?;
    open_job(browser).await
}

/// Checkpoints come by themselves, and one opens to the parts of its tasks and subtasks.
async fn check_checkpoints(browser: &Browser) -> Result<()> {
    browser.click("tab-checkpoints").await?;
    at_least(browser, "checkpoint-row", 2).await?;
    browser.click("open-checkpoint").await?;
    at_least(browser, "checkpoint-task", 2).await?;
    at_least(browser, "checkpoint-subtask", 2).await?;
    let summary = browser
        .text_when("checkpoint-summary", SECONDS_20, |text| text.contains("took"))
        .await?;
    ensure!(summary.contains("0 failed"), "checkpoints failed: {summary}");
    picture(browser, "job-checkpoints").await?;
    browser.click("tab-exceptions").await?;
    browser.find("empty-state").await?;
    picture(browser, "job-exceptions-empty").await
}

/// A savepoint is taken while the job goes on, and every byte of it is read.
async fn take_savepoint(api: &Api, browser: &Browser, id: JobId) -> Result<()> {
    browser.click("tab-savepoints").await?;
    browser.find("empty-state").await?;
    browser.fill("savepoint-new-name", "at one").await?;
    browser
        .fill("savepoint-new-description", "before the rescale")
        .await?;
    browser.fill("savepoint-new-tags", "first, kept").await?;
    browser.click("take-savepoint").await?;
    browser
        .text_when("savepoint-row", SECONDS_20, |text| {
            text.contains("at one") && text.contains("completed") && text.contains("kept")
        })
        .await?;
    let taken: SavepointList = api.get(&format!("jobs/{id}/savepoints")).await?;
    let savepoint = taken.savepoints.first().context("one was taken")?;
    ensure!(
        savepoint.status == SavepointStatus::Completed && savepoint.tags == ["first", "kept"],
        "{savepoint:?}"
    );
    browser.click("open-savepoint").await?;
    browser.click("verify-savepoint").await?;
    browser
        .text_when("verification", SECONDS_20, |text| text.contains("Intact"))
        .await?;
    picture(browser, "job-savepoints").await
}

/// The parallelism changes from 1 to 2, and the page says how long the pause was.
async fn rescale(api: &Api, browser: &Browser, id: JobId) -> Result<()> {
    browser.click("tab-rescale").await?;
    browser.find("empty-state").await?;
    // More than there are slots: the server says so, and nothing happens.
    browser.fill("rescale-parallelism", "99").await?;
    browser.click("rescale-job").await?;
    browser
        .text_when("request-error", SECONDS_20, |text| text.contains("99"))
        .await?;
    picture(browser, "job-rescale-refused").await?;
    browser.fill("rescale-parallelism", "2").await?;
    browser.click("rescale-job").await?;
    let row = browser
        .text_when("rescale-row", SECONDS_40, |text| text.contains("completed"))
        .await?;
    ensure!(row.contains("1 → 2"), "{row}");
    let rescales: RescaleList = api.get(&format!("jobs/{id}/rescales")).await?;
    let pause_ms = rescales.rescales.first().and_then(|r| r.pause_ms);
    ensure!(pause_ms.is_some(), "the pause was measured: {rescales:?}");
    browser
        .text_when("rescale-pause", SECONDS_20, |text| text.ends_with('s'))
        .await?;
    let job = api.job(id).await?;
    ensure!(job.parallelism == 2, "the parallelism is {}", job.parallelism);
    phase_is(browser, Phase::Running).await?;
    picture(browser, "job-rescale").await
}

/// Stops with a savepoint; gives a count that the job had reached before.
async fn stop(api: &Api, browser: &Browser, id: JobId) -> Result<u64> {
    let counted = counted_beyond(api, id, 400).await?;
    let counted = *counted.last().context("it has counted")?;
    browser.click("stop-job").await?;
    browser.fill("stop-name", "at the end").await?;
    picture(browser, "job-stop").await?;
    browser.click("confirm-stop").await?;
    phase_is(browser, Phase::Stopped).await?;
    let job = api.job(id).await?;
    ensure!(
        job.savepoint.is_some(),
        "it was stopped with a savepoint: {job:?}"
    );
    Ok(counted)
}

/// Both savepoints are in the catalogue, and can be told apart and described.
async fn check_catalogue(browser: &Browser) -> Result<()> {
    browser.click("nav-savepoints").await?;
    at_least(browser, "savepoint-row", 2).await?;
    browser.fill("filter-savepoints", "at the end").await?;
    browser
        .text_when("savepoint-row", SECONDS_20, |text| text.contains("at the end"))
        .await?;
    ensure!(
        browser.all("savepoint-row").await?.len() == 1,
        "the filter narrows the list"
    );
    browser.click("open-savepoint").await?;
    browser
        .fill("savepoint-edit-description", "after the rescale")
        .await?;
    browser.click("save-savepoint").await?;
    browser
        .text_when("savepoint-row", SECONDS_20, |text| {
            text.contains("after the rescale")
        })
        .await?;
    picture(browser, "savepoints").await?;
    browser.click("start-from-savepoint").await
}

/// A script that cannot use the state is refused; one that has no use for it is, unless that is allowed.
async fn check_compatibility(browser: &Browser) -> Result<()> {
    let can_submit = async || {
        let script = "return !document.querySelector(\"[data-testid='submit-job']\").disabled";
        anyhow::Ok(browser.run(script, &[]).await? == json!(true))
    };
    browser
        .text_when("compatibility-table", SECONDS_20, |text| text.contains("kept"))
        .await?;
    ensure!(
        can_submit().await?,
        "a script that keeps its state can be submitted"
    );
    picture(browser, "editor-savepoint-kept").await?;
    write_script(browser, EXPIRING).await?;
    browser
        .text_when("compatibility-table", SECONDS_20, |text| {
            text.contains("cannot be used") && text.contains("'groups'")
        })
        .await?;
    ensure!(!can_submit().await?, "the job could only fail");
    browser.find("submit-hint").await?;
    picture(browser, "editor-savepoint-unusable").await?;
    write_script(browser, COPYING).await?;
    browser
        .text_when("compatibility-table", SECONDS_20, |text| text.contains("dropped"))
        .await?;
    ensure!(
        !can_submit().await?,
        "state would be dropped without being asked for"
    );
    picture(browser, "editor-savepoint-dropped").await?;
    browser.click("allow-dropped-state").await?;
    ensure!(can_submit().await?, "state may be dropped when that is allowed");
    Ok(())
}

/// Another job goes on counting where the first one was stopped.
async fn start_from_savepoint(api: &Api, browser: &Browser, counted: u64) -> Result<()> {
    browser.click("load-savepoint-script").await?;
    browser
        .text_when("compatibility-verdict", SECONDS_20, |text| {
            text.contains("can begin with the savepoint")
        })
        .await?;
    browser.fill("job-name", "counting on").await?;
    browser.click("submit-job").await?;
    browser
        .text_when("job-title", SECONDS_20, |text| text == "counting on")
        .await?;
    phase_is(browser, Phase::Running).await?;
    browser
        .text_when("began-with", SECONDS_20, |text| text.contains("savepoint"))
        .await?;
    let id = open_job(browser).await?;
    let seen = counted_beyond(api, id, counted).await?;
    ensure!(
        seen.iter().all(|n| *n >= counted),
        "it counted from {:?} on, and the job before it had counted to {counted}",
        seen.first()
    );
    picture(browser, "job-from-savepoint").await
}

/// The first job goes on too.
async fn resume(cluster: &Cluster, browser: &Browser, id: JobId, counted: u64) -> Result<()> {
    browser.open(&format!("{}/jobs/{id}", cluster.api.url)).await?;
    phase_is(browser, Phase::Stopped).await?;
    browser.click("resume-job").await?;
    phase_is(browser, Phase::Running).await?;
    counted_beyond(&cluster.api, id, counted).await?;
    browser.click("stop-job").await?;
    browser.click("stop-at-once").await?;
    browser.click("confirm-stop").await?;
    phase_is(browser, Phase::Stopped).await
}
