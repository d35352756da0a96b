//! Connectors described, and connections tested before a job uses them.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use weir_model::{
    ErrorCode,
    api::{ConnectionTests, ConnectorList},
};
use weir_tests::cluster::{self, Cluster, Size, weir};

use crate::alone;

const SIZE: Size = Size { workers: 1, slots: 1 };

#[test]
fn connectors_say_what_they_take_and_tables_are_tested_without_a_job() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), SIZE).await?;
        let all: ConnectorList = cluster.api.get("connectors").await?;
        let kafka = all.connectors.iter().find(|connector| connector.name == "kafka");
        let brokers = kafka
            .context("kafka is there")?
            .options
            .iter()
            .find(|option| option.key == "properties.bootstrap.servers");
        ensure!(brokers.is_some_and(|option| option.required), "{brokers:?}");
        ensure!(
            all.formats
                .iter()
                .any(|format| format.name == "json" && !format.has_changes)
        );

        let input = folder.path().join("input.json");
        fs::write(&input, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n")?;
        let sql = format!(
            "CREATE TABLE there (n BIGINT) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{}');
             CREATE TABLE missing (n BIGINT) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{}');
             CREATE TABLE printed (n BIGINT) WITH ('connector' = 'print');
             INSERT INTO printed SELECT n FROM there;",
            input.display(),
            folder.path().join("nothing").display()
        );
        let tests: ConnectionTests = cluster
            .api
            .post("connections/test", &json!({"sql": sql, "sample_rows": 2}))
            .await?;
        let [there, missing, printed] = tests.tables.as_slice() else {
            anyhow::bail!("{tests:?}");
        };
        ensure!(there.read.as_ref().is_some_and(|test| test.ok), "{there:?}");
        ensure!(there.sample == [json!({"n": 1}), json!({"n": 2})], "{there:?}");
        let problem = missing.read.as_ref().and_then(|test| test.problem.as_ref());
        ensure!(
            problem.is_some_and(|problem| problem.code == ErrorCode::SourceUnavailable
                && problem.location.is_some_and(|location| location.line == 2)),
            "{missing:?}"
        );
        ensure!(
            printed.read.is_none() && printed.write.as_ref().is_some_and(|test| test.ok),
            "{printed:?}"
        );
        ensure!(cluster.api.jobs().await?.jobs.is_empty(), "no job was made");

        let script = folder.path().join("tables.sql");
        fs::write(&script, &sql)?;
        let url = cluster.api.url.clone();
        let output = weir(&["test", script.to_str().context("a path")?, "--url", &url], &[])?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(
            text.contains("there (filesystem)\n  read: ok\n  write: "),
            "{text}"
        );
        ensure!(text.contains("{\"n\":3}"), "{text}");
        let listed = weir(&["connectors", "kafka", "--url", &url], &[])?;
        ensure!(
            String::from_utf8(listed.stdout)?.contains("properties.bootstrap.servers, required (text)"),
            "its options are listed"
        );
        cluster.stop()
    });
}
