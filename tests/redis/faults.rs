//! A server that is silent, or gone for a while: nothing is lost, and nothing goes on for ever.

use std::{sync::Arc, time::Duration};

use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::{DataType, Field, Schema};
use weir_connector::{LookupContext, connector};
use weir_env::{Clock, SystemClock};
use weir_model::FailureClass;
use weir_tests::redis::KEEPS_ALL;

use crate::{
    Server, class,
    sink::{COLUMNS, rows},
    source::{add, next, open, source},
    table, with_server, writer,
};

const QUICK: (&str, &str) = ("timeout", "300 ms");

/// Has the server do something while something else goes on.
async fn meanwhile(server: &Arc<Server>, after: Duration, work: impl AsyncFnOnce(&Server) + Send) {
    SystemClock::new().sleep(after).await;
    work(server).await;
}

#[test]
fn rows_wait_for_a_silent_server_and_are_all_there_then() {
    with_server(&[], async |server: Arc<Server>| {
        for data_type in ["hash", "string"] {
            let prefix = format!("{data_type}:");
            let options = [("data-type", data_type), ("key.prefix", &prefix), QUICK];
            let mut sink = writer(&table(&server, 1, COLUMNS, &options)).await;
            sink.write(rows(&[("+I", 1, Some("a"))])).await.expect("writes");
            sink.flush().await.expect("flushes");
            server.process.lock().await.freeze().expect("freezes");
            sink.write(rows(&[("+I", 2, Some("b")), ("-D", 1, Some("a"))]))
                .await
                .expect("waits");
            let thaw = meanwhile(&server, Duration::from_millis(1200), async |server| {
                server.process.lock().await.thaw().expect("thaws");
            });
            let (flushed, ()) = tokio::join!(sink.flush(), thaw);
            flushed.expect("it was sent again");
            assert_eq!(
                server
                    .keys()
                    .await
                    .into_iter()
                    .filter(|k| k.starts_with(&prefix))
                    .collect::<Vec<_>>(),
                [format!("{prefix}2")]
            );
        }
    });
}

#[test]
fn rows_wait_for_a_server_that_is_started_again() {
    with_server(KEEPS_ALL, async |server: Arc<Server>| {
        let options = [QUICK, ("sink.max-retries", "20")];
        let mut sink = writer(&table(&server, 1, COLUMNS, &options)).await;
        for round in 0..3 {
            sink.write(rows(&[("+I", round, Some("before"))]))
                .await
                .expect("waits");
            sink.flush().await.expect("flushes");
            server.process.lock().await.kill().expect("kills");
            sink.write(rows(&[("+U", round, Some("after"))]))
                .await
                .expect("waits");
            let start = meanwhile(&server, Duration::from_millis(500), async |server| {
                server.process.lock().await.start_again().await.expect("starts");
            });
            let (prepared, ()) = tokio::join!(sink.prepare(1), start);
            prepared.expect("it was sent again");
        }
        assert_eq!(server.keys().await, ["0", "1", "2"]);
        for key in ["0", "1", "2"] {
            assert_eq!(server.hash(key).await, ["v=after"]);
        }
    });
}

#[test]
fn a_server_that_stays_away_is_an_outside_failure() {
    with_server(&[], async |server: Arc<Server>| {
        let options = [QUICK, ("sink.max-retries", "2")];
        let mut sink = writer(&table(&server, 1, COLUMNS, &options)).await;
        server.process.lock().await.kill().expect("kills");
        sink.write(rows(&[("+I", 1, Some("a"))])).await.expect("waits");
        let clock = SystemClock::new();
        let error = sink.flush().await.expect_err("nobody is there");
        assert_eq!(class(&error), FailureClass::External);
        assert!(
            error.message.contains("cannot connect to Redis at 127.0.0.1:"),
            "{error}"
        );
        // 0.2 s, then 0.4 s.
        let took = clock.elapsed();
        assert!(
            took >= Duration::from_millis(600) && took < Duration::from_secs(5),
            "{took:?}"
        );
    });
}

#[test]
fn a_lookup_is_asked_again_when_the_server_was_silent() {
    with_server(&[], async |server: Arc<Server>| {
        server.run::<()>("MSET 1 one 2 two").await;
        let options = [("data-type", "string"), QUICK, ("lookup.max-retries", "10")];
        let table = table(&server, 1, COLUMNS, &options);
        let factory = connector("redis")
            .and_then(|redis| redis.lookup(&table))
            .expect("valid");
        let context = LookupContext {
            keys: vec![0],
            key_types: vec![DataType::Int64],
            schema: Arc::new(Schema::new(vec![Field::new("v", DataType::Utf8, true)])),
            clock: Arc::new(SystemClock::new()),
        };
        let lookup = factory.open(context).await.expect("opens");
        let keys: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![1, 2]))];
        assert_eq!(lookup.lookup(&keys).await.expect("answers").keys, [0, 1]);
        server.process.lock().await.freeze().expect("freezes");
        let thaw = meanwhile(&server, Duration::from_millis(800), async |server| {
            server.process.lock().await.thaw().expect("thaws");
        });
        let (found, ()) = tokio::join!(lookup.lookup(&keys), thaw);
        assert_eq!(found.expect("the answer to the next question").keys, [0, 1]);
    });
}

#[test]
fn a_reader_goes_on_where_it_was_when_the_server_is_there_again() {
    with_server(KEEPS_ALL, async |server: Arc<Server>| {
        add(&server, 0..10).await;
        let factory = source(&server, &[QUICK]);
        let splits = factory.splits(1).await.expect("splits");
        let mut source = open(&server, factory.as_ref(), splits).await;
        assert_eq!(next(source.as_mut()).await, Some((0..10).collect()));
        server.process.lock().await.kill().expect("kills");
        let start = meanwhile(&server, Duration::from_millis(700), async |server| {
            server.process.lock().await.start_again().await.expect("starts");
            add(server, 10..12).await;
        });
        let (read, ()) = tokio::join!(next(source.as_mut()), start);
        let mut read = read.expect("entries");
        while read.len() < 2 {
            read.extend(next(source.as_mut()).await.expect("entries"));
        }
        assert_eq!(read, [10, 11]);
    });
}
