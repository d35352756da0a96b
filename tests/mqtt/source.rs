//! Topics read, and acknowledged when a checkpoint has them.

use std::{sync::Arc, time::Duration};

use arrow_array::{Array, cast::AsArray};
use arrow_schema::{DataType, Field};
use weir_connector::{Source, origin};
use weir_tests::connectors::{
    is_silent, next, number, numbers, open, open_all, said, source, source_context,
};

use crate::{Broker, table, table_of, with_broker};

const TOPIC: (&str, &str) = ("topic", "t/#");
const ENOUGH: &str = "max_inflight_messages 0\nmax_queued_messages 0";

/// Says that a checkpoint has what was read.
async fn complete(source: &mut dyn Source) {
    let positions = source.positions();
    source.on_checkpoint_complete(&positions).await;
}

/// Opens all, and waits until the broker knows that somebody listens.
async fn listening(broker: &Broker, table: &weir_connector::Table) -> Box<dyn Source> {
    let mut source = open_all(table).await;
    let mut publisher = broker.client("waker", false).await;
    loop {
        publisher.publish("t/wake", "{\"n\":-1}", false).await;
        if !is_silent(source.as_mut(), Duration::from_millis(100)).await {
            break;
        }
    }
    while !is_silent(source.as_mut(), Duration::from_millis(300)).await {}
    complete(source.as_mut()).await;
    source
}

#[test]
fn messages_are_read_with_what_is_known_of_them() {
    with_broker("", async |broker: Arc<Broker>| {
        let mut client = broker.client("publisher", false).await;
        client.publish("t/old", "{\"n\":1}", true).await;
        let retained = origin::metadata(Field::new("retained", DataType::Boolean, true), "retained", true);
        let qos = origin::metadata(Field::new("qos", DataType::Int32, true), "qos", true);
        let properties = origin::MetadataKind::TextToBytes.data_type();
        let properties = origin::metadata(Field::new("p", properties, true), "user-properties", true);
        let columns = vec![number("n"), said("topic"), retained, qos, properties];
        let mut source = open_all(&table_of(&broker, columns, &[("topic", "t/+; other")])).await;
        let old = next(source.as_mut()).await.expect("reads").expect("rows");
        client.publish("other", "{\"n\":2}", true).await;
        let new = next(source.as_mut()).await.expect("reads").expect("rows");
        for (batch, topic, retained) in [(old, "t/old", true), (new, "other", false)] {
            assert_eq!(batch.column(1).as_string::<i32>().value(0), topic);
            assert_eq!(batch.column(2).as_boolean().value(0), retained, "{topic}");
            assert_eq!(
                batch
                    .column(3)
                    .as_primitive::<arrow_array::types::Int32Type>()
                    .value(0),
                1
            );
            let properties = batch.column(4).as_map().value(0);
            assert_eq!(properties.column(1).as_binary::<i32>().value(0), b"k");
            assert!(batch.column(0).is_valid(0));
        }
    });
}

#[test]
fn what_no_checkpoint_has_comes_once_more_and_nothing_else() {
    with_broker(ENOUGH, async |broker: Arc<Broker>| {
        let table = table(&broker, &[TOPIC]);
        let mut source = listening(&broker, &table).await;
        broker.publish("t/a", 0..10).await;
        assert_eq!(numbers(source.as_mut(), 10).await, (0..10).collect::<Vec<_>>());
        let checkpoint = source.positions();
        broker.publish("t/a", 10..20).await;
        assert_eq!(numbers(source.as_mut(), 10).await, (10..20).collect::<Vec<_>>());
        // The first ten are in it, not those that were read since.
        source.on_checkpoint_complete(&checkpoint).await;
        assert!(is_silent(source.as_mut(), Duration::from_millis(500)).await);
        drop(source);
        // Nobody listens, and the broker keeps these.
        broker.publish("t/a", 20..30).await;
        let mut source = open(&table, checkpoint).await;
        assert_eq!(numbers(source.as_mut(), 20).await, (10..30).collect::<Vec<_>>());
        complete(source.as_mut()).await;
        assert!(is_silent(source.as_mut(), Duration::from_millis(500)).await);
        let checkpoint = source.positions();
        drop(source);
        let mut source = open(&table, checkpoint).await;
        assert!(
            is_silent(source.as_mut(), Duration::from_secs(1)).await,
            "all was acknowledged"
        );
    });
}

#[test]
fn without_checkpoints_messages_are_acknowledged_when_they_are_handed_on() {
    with_broker(ENOUGH, async |broker: Arc<Broker>| {
        let table = table(&broker, &[TOPIC, ("scan.max-in-flight", "10")]);
        let factory = source(&table);
        let splits = factory.splits(1).await.expect("splits");
        let mut context = source_context(&table);
        context.takes_checkpoints = false;
        let mut source = factory.open(splits, context).await.expect("opens");
        assert!(is_silent(source.as_mut(), Duration::from_millis(500)).await);
        broker.publish("t", 0..100).await;
        assert_eq!(numbers(source.as_mut(), 100).await, (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn no_more_messages_come_than_may_be_without_a_checkpoint() {
    with_broker(ENOUGH, async |broker: Arc<Broker>| {
        let table = table(&broker, &[TOPIC, ("scan.max-in-flight", "50")]);
        let mut source = listening(&broker, &table).await;
        broker.publish("t", 0..120).await;
        assert_eq!(numbers(source.as_mut(), 50).await, (0..50).collect::<Vec<_>>());
        assert!(is_silent(source.as_mut(), Duration::from_millis(500)).await);
        complete(source.as_mut()).await;
        assert_eq!(numbers(source.as_mut(), 70).await, (50..120).collect::<Vec<_>>());
    });
}

#[test]
fn readers_of_a_group_share_messages() {
    with_broker(ENOUGH, async |broker: Arc<Broker>| {
        let table = table(
            &broker,
            &[TOPIC, ("scan.shared-group", "g"), ("client-id", "job")],
        );
        let splits = source(&table).splits(2).await.expect("splits");
        let ids: Vec<_> = splits.iter().map(|split| split.id.as_str()).collect();
        assert_eq!(ids, ["job-0", "job-1"]);
        let mut one = open(&table, vec![splits[0].clone()]).await;
        let mut two = open(&table, vec![splits[1].clone()]).await;
        for source in [&mut one, &mut two] {
            assert!(is_silent(source.as_mut(), Duration::from_millis(700)).await);
        }
        broker.publish("t", 0..100).await;
        let mut all = Vec::new();
        let mut counts = Vec::new();
        for source in [&mut one, &mut two] {
            let before = all.len();
            while let Ok(came) =
                tokio::time::timeout(Duration::from_millis(700), numbers(source.as_mut(), 1)).await
            {
                all.extend(came);
            }
            counts.push(all.len() - before);
        }
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert!(counts.iter().all(|count| *count >= 20), "{counts:?}");
    });
}

#[test]
fn a_sample_takes_nothing_away() {
    with_broker("", async |broker: Arc<Broker>| {
        let table = table(&broker, &[TOPIC, ("client-id", "job")]);
        let mut source = listening(&broker, &table).await;
        let factory = weir_tests::connectors::source(&table);
        let mut sample = factory.sample(source_context(&table)).await.expect("opens");
        assert!(is_silent(sample.as_mut(), Duration::from_millis(500)).await);
        broker.publish("t", [7]).await;
        assert_eq!(numbers(sample.as_mut(), 1).await, [7]);
        assert_eq!(numbers(source.as_mut(), 1).await, [7]);
    });
}
