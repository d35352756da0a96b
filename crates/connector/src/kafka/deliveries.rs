//! How the delivery of records went: what librdkafka says of each.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::KafkaError,
    producer::{DeliveryResult, ProducerContext},
};
use tokio::sync::Notify;

/// After how many deliveries those who wait are told.
const TOLD: usize = 1024;

/// How the delivery of records went.
#[derive(Debug)]
pub(super) struct Deliveries {
    /// Records that were handed over and of which nothing was heard.
    pub(super) waiting: AtomicUsize,
    /// Fewer wait, or one has failed.
    pub(super) changed: Notify,
    pub(super) failed: Mutex<Option<KafkaError>>,
    /// Where the last record is that was delivered to the topic.
    pub(super) partition: AtomicI32,
    pub(super) offset: AtomicI64,
    /// The topic, if records may say others.
    topic: Option<String>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info => {
                tracing::debug!(facility, "librdkafka: {message}");
            }
            _ => tracing::warn!(facility, "librdkafka: {message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, "librdkafka: {reason}");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(record) if self.topic.as_ref().is_some_and(|topic| record.topic() != topic) => {}
            Ok(record) => {
                self.partition.store(record.partition(), Ordering::Relaxed);
                self.offset.store(record.offset(), Ordering::Relaxed);
            }
            Err((error, _)) => {
                let mut failed = self.failed.lock();
                failed.get_or_insert_with(|| error.clone());
            }
        }
        let left = self.waiting.fetch_sub(1, Ordering::AcqRel) - 1;
        if left.is_multiple_of(TOLD) {
            self.changed.notify_waiters();
        }
    }
}

impl Deliveries {
    /// None yet. Of a topic, if records may go to others too.
    pub(super) fn new(topic: Option<String>) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            changed: Notify::new(),
            failed: Mutex::new(None),
            partition: AtomicI32::new(0),
            offset: AtomicI64::new(-1),
            topic,
        }
    }
}
