//! What comes over a WebSocket.

use std::time::Duration;

use tokio_tungstenite::tungstenite::Message;
use weir_model::FailureClass;
use weir_tests::connectors::{next, numbers, open_all, source};

use crate::{run, table, web::Sockets};

const SUBSCRIPTION: (&str, &str) = ("scan.subscription-message", "{\"subscribe\":\"all\"}");

#[test]
fn messages_are_read_and_what_is_wanted_is_said_at_each_connection() {
    run(async {
        let sockets = Sockets::start().await;
        let mut source = open_all(&table("websocket", &sockets.url(), &[SUBSCRIPTION])).await;
        let mut ended = Vec::new();
        for round in 0..3 {
            let mut socket = sockets.accept().await;
            assert_eq!(socket.text().await, SUBSCRIPTION.1);
            socket
                .send(Message::text(format!("{{\"n\":{}}}", round * 10)))
                .await;
            socket.send(Message::Ping(vec![1].into())).await;
            let binary = format!("{{\"n\":{}}}", round * 10 + 1).into_bytes();
            socket.send(Message::Binary(binary.into())).await;
            assert_eq!(numbers(source.as_mut(), 2).await, [round * 10, round * 10 + 1]);
            match round {
                // It says good-bye, or it is just gone.
                0 => socket.send(Message::Close(None)).await,
                1 => drop(socket),
                _ => ended.push(socket),
            }
        }
    });
}

#[test]
fn a_silent_server_is_asked_and_left_if_it_does_not_answer() {
    run(async {
        let sockets = Sockets::start().await;
        let options = [("scan.idle-timeout", "400 ms"), ("scan.max-retries", "0")];
        let mut source = open_all(&table("websocket", &sockets.url(), &options)).await;
        // Nobody reads what comes here, so no ping is answered.
        let _socket = sockets.accept().await;
        let error = next(source.as_mut()).await.expect_err("nothing comes");
        assert_eq!(error.class, FailureClass::External);
        assert!(
            error.message.ends_with("/feed: nothing has come for 400ms"),
            "{error}"
        );
    });
}

#[test]
fn a_server_that_answers_pings_is_there() {
    run(async {
        let sockets = Sockets::start().await;
        let options = [("scan.idle-timeout", "300 ms"), ("scan.max-retries", "0")];
        let mut source = open_all(&table("websocket", &sockets.url(), &options)).await;
        let mut socket = sockets.accept().await;
        let listen = tokio::time::timeout(Duration::from_millis(1500), async { socket.text().await });
        let read = tokio::time::timeout(Duration::from_millis(1500), next(source.as_mut()));
        let (listened, read) = tokio::join!(listen, read);
        assert!(
            listened.is_err() && read.is_err(),
            "neither says anything, and nothing fails"
        );
    });
}

#[test]
fn a_server_that_refuses_is_said() {
    run(async {
        let sockets = Sockets::start().await;
        let table = table("websocket", &sockets.url(), &[("scan.max-retries", "1")]);
        let factory = source(&table);
        let (checked, ()) = tokio::join!(factory.check(), sockets.refuse("403 Forbidden"));
        let said = checked.expect_err("refused").to_string();
        assert!(said.ends_with("/feed: HTTP error: 403 Forbidden"), "{said}");
        let (checked, _socket) = tokio::join!(factory.check(), sockets.accept());
        checked.expect("it takes connections");
        let mut reader = open_all(&table).await;
        let refused = async {
            for _ in 0..2 {
                sockets.refuse("503 Service Unavailable").await;
            }
        };
        let (read, ()) = tokio::join!(next(reader.as_mut()), refused);
        let error = read.expect_err("it is overloaded twice");
        assert_eq!(error.class, FailureClass::External, "{error}");
    });
}
