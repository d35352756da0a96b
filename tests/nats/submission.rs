//! What is said before a job exists.

use std::{fs, sync::Arc, time::Duration};

use serde_json::json;
use weir_env::{Clock, SystemClock};
use weir_tests::{
    cluster,
    connectors::{sink, source},
    tls,
};

use crate::{Server, table, with_server};

const SUBJECT: (&str, &str) = ("subject", "s");
const STREAM: (&str, &str) = ("stream", "s");

/// What is wrong with a table of the server as a source, and as a sink.
async fn said(server: &Server, options: &[(&str, &str)]) -> [Option<String>; 2] {
    let all = [&[SUBJECT, STREAM], options].concat();
    let table = table(server, &all);
    let reads = source(&table).check().await.err().map(|error| error.to_string());
    let writes = sink(&table).check().await.err().map(|error| error.to_string());
    [reads, writes]
}

#[test]
fn streams_that_are_not_there_are_said_and_nothing_is_created() {
    with_server(&[], async |server: Arc<Server>| {
        let [reads, writes] = said(&server, &[]).await;
        assert!(reads.is_some_and(|said| said.ends_with("has no stream 's'")));
        assert!(writes.is_some_and(|said| said.ends_with("takes subject 's': make one first")));
        let streams = server.ask("STREAM.NAMES", json!({})).await;
        assert_eq!(streams["total"], 0, "{streams}");
        server.stream("s", &["s"], json!({})).await;
        assert_eq!(said(&server, &[]).await, [None, None]);
        let timestamp = [
            ("scan.startup.mode", "timestamp"),
            ("scan.startup.timestamp-millis", "5"),
        ];
        assert_eq!(said(&server, &timestamp).await, [None, None]);
        let consumers = server.ask("CONSUMER.NAMES.s", json!({})).await;
        assert_eq!(consumers["total"], 0, "{consumers}");
        let wrong = [("jetstream.domain", "nowhere")];
        for said in said(&server, &wrong).await {
            assert!(
                said.as_ref()
                    .is_some_and(|said| said.contains("JetStream does not answer")),
                "{said:?}"
            );
        }
    });
}

#[test]
fn a_server_that_lets_nobody_in_or_is_away_is_said_in_bounded_time() {
    with_server(
        &["--user", "ann", "--pass", "right-one"],
        async |server: Arc<Server>| {
            let clock = SystemClock::new();
            let check = async |options: &[(&str, &str)], expected: Option<&str>| {
                let start = clock.elapsed();
                for said in said(&server, options).await {
                    match (&said, expected) {
                        (Some(said), Some(expected)) if said.contains(expected) => {
                            assert!(!said.contains("-one"), "{said}");
                        }
                        (said, expected) => panic!("{said:?} instead of {expected:?}"),
                    }
                }
                let took = clock.elapsed().saturating_sub(start);
                assert!(took < Duration::from_secs(5), "{took:?}");
            };
            let user = ("username", "ann");
            check(&[], Some("authorization violation")).await;
            check(
                &[user, ("password", "wrong-one")],
                Some("authorization violation"),
            )
            .await;
            let url = server.url.replace("nats://", "nats://ann:wrong-one@");
            check(&[("url", &url)], Some("authorization violation")).await;
            check(
                &[("url", "nats://127.0.0.1:1")],
                Some("cannot connect to NATS at 127.0.0.1:1"),
            )
            .await;
            check(&[user, ("password", "right-one")], Some("no stream")).await;
        },
    );
}

#[test]
fn somebody_is_let_in_by_each_way_to_say_who() {
    let folder = cluster::folder().expect("a folder");
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let public = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
    let nkeys = folder.path().join("nkeys.conf");
    fs::write(
        &nkeys,
        format!("authorization {{ users = [ {{ nkey: {public} }} ] }}"),
    )
    .expect("is written");
    let nkeys = nkeys.display().to_string();
    let check = |arguments: &[&str], way: &[(&str, &str)]| {
        with_server(arguments, async |server: Arc<Server>| {
            for said in said(&server, way).await {
                let said = said.expect("there is no stream yet");
                assert!(said.contains("stream"), "{way:?}: {said}");
            }
        });
    };
    check(
        &["--user", "ann", "--pass", "x"],
        &[("username", "ann"), ("password", "x")],
    );
    check(&["--auth", "opensesame"], &[("token", "opensesame")]);
    check(&["--config", &nkeys], &[("nkey", seed)]);
}

#[test]
fn a_server_is_reached_by_tls_if_its_certificate_is_trusted() {
    let (certificate, key) = (tls::file("cert.pem"), tls::file("key.pem"));
    let arguments = ["--tls", "--tlscert", &certificate, "--tlskey", &key];
    with_server(&arguments, async |server: Arc<Server>| {
        let ca = tls::file("ca.pem");
        for scheme in ["nats://", "tls://"] {
            let url = server.url.replace("nats://", scheme);
            for said in said(&server, &[("url", &url), ("tls.ca-file", &ca)]).await {
                let said = said.expect("there is no stream yet");
                assert!(said.contains("no stream"), "{said}");
            }
            for said in said(&server, &[("url", &url)]).await {
                assert!(
                    said.as_ref().is_some_and(|said| said.contains("certificate")),
                    "{said:?}"
                );
            }
        }
    });
}
