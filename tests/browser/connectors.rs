use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use weir_tests::{
    browser::Browser,
    cluster::{self, Cluster, Size},
};

use crate::picture;

const SECONDS_20: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_table_is_filled_in_tried_and_used_in_a_job() -> Result<()> {
    let folder = cluster::folder()?;
    let input = folder.path().join("in.json");
    fs::write(
        &input,
        "{\"id\":1,\"name\":\"ann\"}\n{\"id\":2,\"name\":\"it's bob\"}\n",
    )?;
    let cluster = Cluster::start(folder.path(), Size { workers: 1, slots: 1 }).await?;
    let browser = Browser::start(1280, 1100).await?;
    browser.open(&cluster.api.url).await?;
    browser.click("nav-connectors").await?;
    browser.click("connector-filesystem").await?;

    browser
        .fill(
            "option-path",
            &folder.path().join("nothing.json").display().to_string(),
        )
        .await?;
    browser.click("test-connection").await?;
    browser
        .text_when("trial-read", SECONDS_20, |text| {
            text.contains("there is no file or folder")
        })
        .await?;

    browser.fill("option-path", &input.display().to_string()).await?;
    browser.fill("table-name", "people").await?;
    browser.click("test-connection").await?;
    browser
        .text_when("trial-read", SECONDS_20, |text| text.contains("works"))
        .await?;
    browser
        .text_when("sample", SECONDS_20, |text| text.contains("it's bob"))
        .await?;
    picture(&browser, "connectors").await?;

    browser.click("use-in-job").await?;
    browser.find("sql-editor").await?;
    let script = "return document.querySelector(\"[data-testid='sql-editor']\").value";
    let sql = browser.run(script, &[]).await?;
    let sql = sql.as_str().unwrap_or_default();
    ensure!(
        sql.contains("CREATE TABLE people (") && sql.contains("'connector' = 'filesystem'"),
        "{sql}"
    );
    drop(browser);
    cluster.stop()
}
