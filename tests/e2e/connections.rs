//! Connectors described, and connections tested before a job uses them.

use std::{fs, time::Duration};

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::json;
use weir_model::{
    ErrorCode, Phase,
    api::{ConnectionTests, ConnectorList, InferredTable},
};
use weir_tests::{
    api::problem,
    cluster::{self, Cluster, Size, weir},
};

use crate::alone;

const PATIENCE: Duration = Duration::from_mins(1);
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

#[test]
fn a_secret_is_used_by_jobs_and_shown_to_nobody() {
    const VALUE: &str = "hidden-folder-7731";
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), SIZE).await?;
        let url = cluster.api.url.clone();
        fs::create_dir(folder.path().join(VALUE))?;
        fs::write(folder.path().join(VALUE).join("a.json"), "{\"n\":1}\n{\"n\":2}\n")?;
        let sql = format!(
            "CREATE TABLE t (n BIGINT) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{}/${{secret:place}}/a.json');
             CREATE TABLE printed (n BIGINT) WITH ('connector' = 'print');
             INSERT INTO printed SELECT n FROM t;",
            folder.path().display()
        );
        let early = cluster
            .api
            .request(Method::POST, "jobs")
            .json(&json!({"sql": sql}))
            .send()
            .await?;
        let early = problem(early).await?;
        ensure!(
            early.detail.contains("there is no secret named 'place'"),
            "{early:?}"
        );

        let put = async |name: &str, value: &str| {
            let request = cluster.api.request(Method::PUT, &format!("secrets/{name}"));
            anyhow::Ok(request.json(&json!({"value": value})).send().await?)
        };
        ensure!(put("place", "somewhere else").await?.status() == 201, "it is new");
        ensure!(put("place", VALUE).await?.status() == 204, "it is replaced");
        ensure!(put("no name", VALUE).await?.status() == 400, "no name");
        let job = cluster.api.start(&sql, 1).await?;
        cluster.api.wait_phase(job.id, Phase::Finished, PATIENCE).await?;
        let output = cluster.api.output(job.id).await?;
        ensure!(output.rows.len() == 2, "{output:?}");

        // A failure that names the file: the value is not in it, nor anywhere else that REST or the log say.
        fs::write(folder.path().join(VALUE).join("a.json"), "no JSON\n")?;
        let job = cluster.api.start(&sql, 1).await?;
        cluster.api.wait_phase(job.id, Phase::Failed, PATIENCE).await?;
        let mut said = String::new();
        for path in [
            "secrets".to_owned(),
            "jobs".to_owned(),
            format!("jobs/{}", job.id),
            format!("jobs/{}/events", job.id),
            format!("jobs/{}/exceptions", job.id),
            format!("jobs/{}/graph", job.id),
        ] {
            let response = cluster.api.request(Method::GET, &path).send().await?;
            said.push_str(&response.text().await?);
        }
        ensure!(said.contains("place"), "{said}");
        ensure!(!said.contains(VALUE), "{said}");
        for entry in fs::read_dir(folder.path().join("data/logs"))? {
            let log = fs::read_to_string(entry?.path())?;
            ensure!(!log.contains(VALUE), "{log}");
        }
        let listed = weir(&["secrets", "--url", &url], &[])?;
        ensure!(listed.stdout == b"place\n", "{listed:?}");
        let gone = weir(&["secrets", "delete", "place", "--url", &url], &[])?;
        ensure!(gone.status.success(), "{gone:?}");
        cluster.stop()
    });
}

#[test]
fn a_table_that_is_inferred_is_run_as_it_is() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), SIZE).await?;
        let input = folder.path().join("orders.json");
        fs::write(
            &input,
            "{\"id\":1,\"at\":\"2024-01-01T10:00:00Z\",\"buyer\":{\"name\":\"a\"},\"total\":1}\n{\"id\":2,\"total\":0.5,\"tags\":[\"x\"]}\n",
        )?;
        let (path, url) = (format!("path={}", input.display()), cluster.api.url.clone());
        let asked = [
            "infer",
            "--connector",
            "filesystem",
            "-o",
            &path,
            "--name",
            "orders",
            "--url",
            &url,
        ];
        let said = weir(&asked, &[])?;
        ensure!(said.status.success(), "{said:?}");
        let ddl = String::from_utf8(said.stdout)?;
        ensure!(ddl.contains("`at` TIMESTAMP_LTZ(3)"), "{ddl}");
        let sql = format!(
            "{ddl} CREATE TABLE shown WITH ('connector' = 'print') AS
             SELECT id, EXTRACT(HOUR FROM `at`) AS hour_of, buyer.name, total, tags[1] AS tag FROM orders;"
        );
        let job = cluster.api.start(&sql, 1).await?;
        cluster.api.wait_phase(job.id, Phase::Finished, PATIENCE).await?;
        let output = cluster.api.output(job.id).await?;
        let rows: Vec<_> = output.rows.iter().map(|row| row.row.to_string()).collect();
        ensure!(
            rows == [
                r#"{"id":1,"hour_of":10,"name":"a","total":1.0,"tag":null}"#,
                r#"{"id":2,"hour_of":null,"name":null,"total":0.5,"tag":"x"}"#
            ],
            "{rows:?}"
        );

        let request =
            json!({"connector": "filesystem", "options": {"path": input, "format": "json"}, "records": 1});
        let inferred: InferredTable = cluster.api.post("connections/infer", &request).await?;
        ensure!(
            inferred.records == 1 && inferred.sql.starts_with("CREATE TABLE `t` ("),
            "{inferred:?}"
        );
        let request = json!({"connector": "filesystem", "options": {"path": folder.path().join("nothing")}});
        let missing = cluster
            .api
            .request(Method::POST, "connections/infer")
            .json(&request)
            .send()
            .await?;
        let missing = problem(missing).await?;
        ensure!(missing.code == ErrorCode::SourceUnavailable, "{missing:?}");
        cluster.stop()
    });
}
