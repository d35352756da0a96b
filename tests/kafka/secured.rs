//! Brokers that take only TLS, or a login: rows written exactly once, and read.

use weir_connector::ConnectorError;
use weir_model::FailureClass;
use weir_tests::{
    cluster,
    kafka::{Kafka, Secured},
    local,
};

use crate::writer::{Job, rows, seen};

/// Runs a test with a secured broker of its own.
fn with_secured(test: impl AsyncFnOnce(&Kafka, &Secured)) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let folder = cluster::folder().expect("a folder");
        let kafka = Kafka::start_secured(folder.path()).await.expect("Kafka starts");
        let Some(kafka) = kafka else { return };
        let secured = kafka.secured().expect("it is secured");
        test(&kafka, secured).await;
    });
}

/// Writes rows with these options, and commits them as another process.
async fn write(
    kafka: &Kafka,
    topic: &str,
    options: &[(String, String)],
    commits_with: &[(String, String)],
) -> Result<(), ConnectorError> {
    let given = |options: &[(String, String)]| {
        let given: Vec<_> = options
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        Job::new(kafka, topic, &given)
    };
    let mut writer = given(options).begin(1, (0, 1), None).await;
    writer.sink.write(rows(0..10)).await?;
    let commits = writer.sink.prepare(1).await?;
    drop(writer);
    given(commits_with).commit(&commits).await
}

#[test]
fn rows_are_written_exactly_once_and_read_however_the_broker_is_reached() {
    with_secured(async |kafka, secured| {
        let ways = [
            ("tls", secured.by_tls()),
            ("plain", secured.by_login("PLAIN", false)),
            ("scram-256", secured.by_login("SCRAM-SHA-256", true)),
            ("scram-512", secured.by_login("SCRAM-SHA-512", true)),
        ];
        for (topic, options) in ways {
            kafka.create_topic(topic, 1, &[]).await.expect("a topic");
            write(kafka, topic, &options, &options)
                .await
                .expect("it is committed");
            assert_eq!(seen(kafka, topic).await, (0..10).collect::<Vec<_>>(), "{topic}");
            let options: Vec<_> = options
                .iter()
                .map(|(key, value)| format!(", '{key}' = '{value}'"))
                .collect();
            let options = options.concat();
            let sql = format!(
                "CREATE TABLE t (k BIGINT) WITH ('connector' = 'kafka', 'topic' = '{topic}', 'format' = 'json',
                     'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'{options});
                 CREATE TABLE shown WITH ('connector' = 'print') AS SELECT SUM(k) AS s FROM t;"
            );
            let (printed, _) = local::run(&sql, Some(1)).await.expect("it is read");
            let last = printed["shown"].last().expect("rows");
            assert!(last.contains("45"), "{topic}: {last}");
        }
    });
}

#[test]
fn a_login_or_a_certificate_that_does_not_fit_is_said() {
    with_secured(async |kafka, secured| {
        kafka.create_topic("t", 1, &[]).await.expect("a topic");
        let right = secured.by_login("SCRAM-SHA-256", true);
        let with = |name: &str, value: &str| {
            let mut options = right.clone();
            options.retain(|(key, _)| key != name);
            options.push((name.to_owned(), value.to_owned()));
            options
        };
        for (options, expected) in [
            (with("properties.sasl.password", "pen"), "refuses the login"),
            (with("properties.sasl.mechanism", "PLAIN"), ""),
            (
                with("properties.ssl.ca.location", "/nowhere/ca.pem"),
                "'/nowhere/ca.pem' cannot be read",
            ),
        ] {
            let ended = write(kafka, "t", &right, &options).await;
            let Err(error) = ended else {
                assert!(expected.is_empty(), "{expected}: it is committed");
                continue;
            };
            assert_eq!(error.class, FailureClass::User, "{error}");
            assert!(
                !expected.is_empty() && error.message.contains(expected),
                "{error}"
            );
        }
    });
}
