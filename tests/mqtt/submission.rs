//! What is said before a job exists.

use std::{fs, sync::Arc, time::Duration};

use weir_env::{Clock, SystemClock};
use weir_tests::{
    cluster,
    connectors::{sink, source},
    tls,
};

use crate::{Broker, table, with_broker};

/// Who may come in, with the password `right-one` as `mosquitto_passwd` writes it.
const ANN: &str = "ann:$7$101$meMHfRwXLLkm8QUU$N5PEuPWiMfbJ3qtOGRbx6XobWPhM/Q8hzHifC5TtO0zfEUpwsvKYY69Un6/k4iir4uriBWAiuO88ZIJAQ7lcYg==\n";

/// What is wrong with a table of the broker as a source, and as a sink.
async fn said(broker: &Broker, options: &[(&str, &str)]) -> [Option<String>; 2] {
    let all = [&[("topic", "t")], options].concat();
    let table = table(broker, &all);
    let reads = source(&table).check().await.err().map(|error| error.to_string());
    let writes = sink(&table).check().await.err().map(|error| error.to_string());
    [reads, writes]
}

#[test]
fn a_broker_that_lets_nobody_in_or_is_away_is_said_in_bounded_time() {
    let folder = cluster::folder().expect("a folder");
    let (passwords, acl) = (folder.path().join("passwords"), folder.path().join("acl"));
    fs::write(&passwords, ANN).expect("is written");
    fs::write(&acl, "user ann\ntopic read t\n").expect("is written");
    for path in [&passwords, &acl] {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("may be read");
    }
    let lines = format!(
        "allow_anonymous false\npassword_file {}\nacl_file {}",
        passwords.display(),
        acl.display()
    );
    with_broker(&lines, async |broker: Arc<Broker>| {
        let clock = SystemClock::new();
        let check = async |options: &[(&str, &str)], expected: Option<&str>| {
            let start = clock.elapsed();
            for said in said(&broker, options).await {
                match (&said, expected) {
                    (None, None) => {}
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
        check(&[], Some("does not let this client in: NotAuthorized")).await;
        check(
            &[user, ("password", "wrong-one")],
            Some("does not let this client in: NotAuthorized"),
        )
        .await;
        check(
            &[("url", "mqtt://127.0.0.1:1")],
            Some("no connection to MQTT at 127.0.0.1:1"),
        )
        .await;
        check(&[user, ("password", "right-one")], None).await;
    });
}

#[test]
fn a_broker_is_reached_by_tls_if_its_certificate_is_trusted() {
    let lines = format!(
        "certfile {}\nkeyfile {}",
        tls::file("cert.pem"),
        tls::file("key.pem")
    );
    with_broker(&lines, async |broker: Arc<Broker>| {
        let url = broker.url.replace("mqtt://", "mqtts://");
        let trusted = said(&broker, &[("url", &url), ("tls.ca-file", &tls::file("ca.pem"))]).await;
        assert_eq!(trusted, [None, None]);
        for said in said(&broker, &[("url", &url)]).await {
            assert!(
                said.as_ref()
                    .is_some_and(|said| said.contains("certificate verify failed")),
                "{said:?}"
            );
        }
        let shown = [
            ("url", url.as_str()),
            ("tls.ca-file", &tls::file("ca.pem")),
            ("tls.certificate-file", &tls::file("cert.pem")),
            ("tls.key-file", &tls::file("key.pem")),
        ];
        assert_eq!(said(&broker, &shown).await, [None, None]);
        let missing = [("url", url.as_str()), ("tls.ca-file", "/no/such.pem")];
        for said in said(&broker, &missing).await {
            assert!(
                said.as_ref()
                    .is_some_and(|said| said.contains("'/no/such.pem' cannot be read")),
                "{said:?}"
            );
        }
    });
}
