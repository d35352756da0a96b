use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use weir_tests::{
    browser::Browser,
    cluster::{self, Cluster, Size},
};

use crate::{at_least, picture};

const SECONDS_20: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_secret_is_set_and_deleted_and_its_value_never_shown() -> Result<()> {
    let folder = cluster::folder()?;
    let cluster = Cluster::start(folder.path(), Size { workers: 1, slots: 1 }).await?;
    let browser = Browser::start(1280, 700).await?;
    browser.open(&cluster.api.url).await?;
    browser.click("nav-secrets").await?;
    browser.find("empty-state").await?;
    browser.fill("secret-name", "db-password").await?;
    browser.fill("secret-value", "hunter22").await?;
    browser.click("set-secret").await?;
    at_least(&browser, "secret-row", 1).await?;
    picture(&browser, "secrets").await?;
    let page = browser
        .run("return document.documentElement.innerHTML", &[])
        .await?;
    let page = page.as_str().unwrap_or_default();
    ensure!(
        page.contains("db-password") && !page.contains("hunter22"),
        "{page}"
    );
    let known: Value = cluster.api.get("secrets").await?;
    ensure!(known["secrets"][0]["name"] == "db-password", "{known}");

    browser.fill("secret-name", "no name").await?;
    browser.fill("secret-value", "x").await?;
    browser.click("set-secret").await?;
    browser
        .text_when("request-error", SECONDS_20, |text| {
            text.contains("is no name of a secret")
        })
        .await?;
    browser.click("delete-secret-db-password").await?;
    browser.click("confirm-delete-secret").await?;
    browser.find("empty-state").await?;
    drop(browser);
    cluster.stop()
}
