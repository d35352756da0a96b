//! The source: from where to where, restarts, and what becomes of bad messages.

use weir_tests::kafka::Record;

use crate::with_broker;

#[test]
fn the_broker_keeps_what_is_committed_and_hides_what_is_not() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 2, &[]).await.expect("a topic");
        let sent = [
            Record::value(0, "a"),
            Record::value(1, "b"),
            Record::value(0, "c"),
        ];
        kafka.produce(topic, &sent).await.expect("produced");
        let transactions = kafka.transactions("hidden").await.expect("a producer");
        transactions
            .begin(topic, &[Record::value(0, "aborted")])
            .expect("written");
        transactions.abort().expect("aborted");
        transactions
            .begin(topic, &[Record::value(0, "d")])
            .expect("written");
        transactions.commit().expect("committed");
        let seen = kafka.read_committed(topic).await.expect("read");
        let seen: Vec<_> = seen
            .iter()
            .map(|record| (record.partition, record.text()))
            .collect();
        let expected = [(0, "a"), (0, "c"), (0, "d"), (1, "b")];
        assert_eq!(
            seen,
            expected.map(|(partition, text)| (Some(partition), text.to_owned()))
        );
    });
}
