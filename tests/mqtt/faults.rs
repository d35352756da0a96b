//! A broker that is gone for a while: nothing is lost, and nothing goes on for ever.

use std::{sync::Arc, time::Duration};

use weir_env::{Clock, SystemClock};
use weir_model::FailureClass;
use weir_tests::connectors::{is_silent, next, numbers, open_all, rows, writer};

use crate::{Broker, meanwhile, table, with_broker};

const TOPIC: (&str, &str) = ("topic", "t");
const ENOUGH: &str = "max_inflight_messages 0\nmax_queued_messages 0";

#[test]
fn rows_wait_for_a_broker_that_is_started_again() {
    with_broker(ENOUGH, async |broker: Arc<Broker>| {
        for qos in ["1", "2"] {
            // Somebody whose session lasts: what the broker has taken is kept for them.
            let listener = format!("listener-{qos}");
            let topic = format!("t{qos}");
            broker.client(&listener, true).await.subscribe(&topic).await;
            let mut sink = writer(&table(&broker, &[("topic", &topic), ("qos", qos)])).await;
            for round in 0..3 {
                sink.write(rows("n", round * 100..round * 100 + 50))
                    .await
                    .expect("writes");
                broker.process.lock().await.stop().expect("stops");
                let start = meanwhile(&broker, Duration::from_millis(500), async |broker| {
                    broker.process.lock().await.start_again().await.expect("starts");
                });
                let write = async {
                    sink.write(rows("n", round * 100 + 50..(round + 1) * 100))
                        .await
                        .expect("waits");
                    sink.prepare(1).await.expect("it was sent again");
                };
                tokio::join!(write, start);
            }
            let mut listener = broker.client(&listener, true).await;
            let mut missing: std::collections::BTreeSet<i64> = (0..300).collect();
            while !missing.is_empty() {
                missing.remove(&listener.numbers(1).await[0]);
            }
        }
    });
}

#[test]
fn a_reader_goes_on_when_the_broker_is_there_again_and_sees_each_message_once() {
    with_broker(ENOUGH, async |broker: Arc<Broker>| {
        let mut source = open_all(&table(&broker, &[TOPIC])).await;
        assert!(is_silent(source.as_mut(), Duration::from_millis(700)).await);
        for round in 0..3 {
            broker.publish("t", round * 20..round * 20 + 10).await;
            assert_eq!(
                numbers(source.as_mut(), 10).await,
                (round * 20..round * 20 + 10).collect::<Vec<_>>()
            );
            // A checkpoint has some of them by now, and the broker is told so.
            if round == 1 {
                let positions = source.positions();
                source.on_checkpoint_complete(&positions).await;
                assert!(is_silent(source.as_mut(), Duration::from_millis(500)).await);
            }
            broker.process.lock().await.stop().expect("stops");
            let start = meanwhile(&broker, Duration::from_millis(400), async |broker| {
                broker.process.lock().await.start_again().await.expect("starts");
                broker.publish("t", round * 20 + 10..(round + 1) * 20).await;
            });
            let (read, ()) = tokio::join!(numbers(source.as_mut(), 10), start);
            assert_eq!(read, (round * 20 + 10..(round + 1) * 20).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_broker_that_stays_away_is_an_outside_failure() {
    with_broker("", async |broker: Arc<Broker>| {
        let options = [TOPIC, ("sink.max-retries", "2"), ("scan.max-retries", "2")];
        let table = table(&broker, &options);
        let mut sink = writer(&table).await;
        let mut source = open_all(&table).await;
        assert!(is_silent(source.as_mut(), Duration::from_millis(500)).await);
        sink.write(rows("n", [1])).await.expect("writes");
        sink.flush().await.expect("flushes");
        assert_eq!(numbers(source.as_mut(), 1).await, [1]);
        broker.process.lock().await.kill().expect("kills");
        let clock = SystemClock::new();
        let written = async {
            sink.write(rows("n", [2])).await?;
            sink.flush().await
        };
        let (written, read) = tokio::join!(written, next(source.as_mut()));
        for error in [
            written.expect_err("nobody is there"),
            read.expect_err("nobody is there"),
        ] {
            assert_eq!(error.class, FailureClass::External, "{error}");
            assert!(error.message.contains("MQTT at 127.0.0.1:"), "{error}");
        }
        // 0.2 s, then 0.4 s.
        let took = clock.elapsed();
        assert!(
            took >= Duration::from_millis(600) && took < Duration::from_secs(8),
            "{took:?}"
        );
    });
}

#[test]
fn a_silent_broker_is_found_out_and_rows_wait_for_it() {
    with_broker(ENOUGH, async |broker: Arc<Broker>| {
        let mut listener = broker.client("listener", true).await;
        listener.subscribe("t").await;
        let mut sink = writer(&table(&broker, &[TOPIC])).await;
        sink.write(rows("n", 0..10)).await.expect("writes");
        sink.flush().await.expect("flushes");
        assert_eq!(listener.numbers(10).await, (0..10).collect::<Vec<_>>());
        broker.process.lock().await.freeze().expect("freezes");
        let thaw = meanwhile(&broker, Duration::from_secs(2), async |broker| {
            broker.process.lock().await.thaw().expect("thaws");
        });
        let write = async {
            sink.write(rows("n", 10..20)).await.expect("waits");
            sink.flush().await.expect("they came");
        };
        tokio::join!(write, thaw);
        assert_eq!(listener.numbers(10).await, (10..20).collect::<Vec<_>>());
    });
}
