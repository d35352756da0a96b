//! A consumer of librdkafka's as close to it as one comes: many messages per call, read where librdkafka has them, and no waiting.
//!
//! rdkafka's own consumers allocate for every message and hand them out one by one.
#![allow(
    unsafe_code,
    reason = "rdkafka has no call for many messages at once; each block says why it is sound"
)]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    mem::ManuallyDrop,
    ptr::{NonNull, null, null_mut},
    slice,
};

use parking_lot::Mutex;
use rdkafka::{
    ClientConfig, TopicPartitionList,
    bindings::{self as c, rd_kafka_resp_err_t, rd_kafka_timestamp_type_t},
    error::{KafkaError, RDKafkaErrorCode},
    types::{RDKafka, RDKafkaMessage, RDKafkaQueue, RDKafkaType},
};
use tokio::sync::Notify;

/// A consumer of partitions that it is told.
pub(super) struct Consumer {
    handle: ManuallyDrop<Handle>,
    /// Room for the messages of a call.
    buffer: Vec<*mut RDKafkaMessage>,
    /// How many of the last call's are to be handed out again.
    kept: usize,
}

/// What librdkafka has of it.
struct Handle {
    client: NonNull<RDKafka>,
    /// Where messages, errors and answers arrive.
    queue: NonNull<RDKafkaQueue>,
    /// What callbacks reach: it stays where it is until the client is gone.
    shared: Box<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Something has arrived in the empty queue.
    arrived: Notify,
    /// Errors that are of no partition, since they were last asked for.
    errors: Mutex<Vec<(RDKafkaErrorCode, String)>>,
}

// SAFETY: librdkafka's clients and queues may be used from any thread; the pointers in the buffer are only used within a `Batch`, which
// borrows the consumer.
unsafe impl Send for Consumer {}
// SAFETY: as above.
unsafe impl Send for Handle {}
// SAFETY: as above; what takes `&self` calls functions of librdkafka's that lock.
unsafe impl Sync for Consumer {}

impl Consumer {
    /// A consumer of no partitions yet, which takes up to that many messages per call. The settings name a group.
    pub(super) fn new(config: &ClientConfig, messages: usize) -> Result<Self, KafkaError> {
        let config = ManuallyDrop::new(config.create_native_config()?);
        let shared = Box::<Shared>::default();
        let mut reason = [0; 512];
        // SAFETY: the settings are alive, and become the client's if there comes to be one; the shared part outlives the client.
        let client = unsafe {
            c::rd_kafka_conf_set_opaque(config.ptr(), (&raw const *shared).cast_mut().cast());
            c::rd_kafka_conf_set_log_cb(config.ptr(), Some(on_log));
            c::rd_kafka_conf_set_error_cb(config.ptr(), Some(on_error));
            c::rd_kafka_conf_set_offset_commit_cb(config.ptr(), Some(on_commit));
            c::rd_kafka_new(
                RDKafkaType::RD_KAFKA_CONSUMER,
                config.ptr(),
                reason.as_mut_ptr(),
                reason.len(),
            )
        };
        let Some(client) = NonNull::new(client) else {
            drop(ManuallyDrop::into_inner(config));
            return Err(KafkaError::ClientCreation(text(reason.as_ptr())));
        };
        // SAFETY: the client is alive; from now on all that it has to say is in its consumer's queue.
        let queue = unsafe {
            c::rd_kafka_poll_set_consumer(client.as_ptr());
            c::rd_kafka_queue_get_consumer(client.as_ptr())
        };
        let Some(queue) = NonNull::new(queue) else {
            // SAFETY: nothing else has the client.
            unsafe { c::rd_kafka_destroy(client.as_ptr()) };
            return Err(KafkaError::ClientCreation("it has no queue".into()));
        };
        let opaque = (&raw const *shared).cast_mut().cast();
        // SAFETY: the shared part outlives the queue.
        unsafe { c::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(on_arrival), opaque) };
        Ok(Self {
            handle: ManuallyDrop::new(Handle {
                client,
                queue,
                shared,
            }),
            buffer: vec![null_mut(); messages],
            kept: 0,
        })
    }

    /// Begins to read these partitions, each from its offset.
    pub(super) fn add(&self, partitions: &TopicPartitionList) -> Result<(), String> {
        // SAFETY: both are alive; librdkafka copies the list.
        ok(unsafe { c::rd_kafka_incremental_assign(self.client(), partitions.ptr()) })
    }

    /// Reads these partitions no more.
    pub(super) fn remove(&self, partitions: &TopicPartitionList) -> Result<(), String> {
        // SAFETY: both are alive; librdkafka copies the list.
        ok(unsafe { c::rd_kafka_incremental_unassign(self.client(), partitions.ptr()) })
    }

    /// The messages that have arrived, up to `limit` and to what there is room for; or those of the last call, if they were kept.
    pub(super) fn poll(&mut self, limit: usize) -> Batch<'_> {
        let limit = limit.min(self.buffer.len());
        let kept = std::mem::take(&mut self.kept);
        if kept > 0 {
            return Batch {
                messages: &self.buffer[..kept],
                kept: &mut self.kept,
            };
        }
        // SAFETY: the queue is alive, and the buffer has room for so many pointers.
        let count = unsafe {
            c::rd_kafka_consume_batch_queue(self.handle.queue.as_ptr(), 0, self.buffer.as_mut_ptr(), limit)
        };
        Batch {
            messages: &self.buffer[..usize::try_from(count).unwrap_or(0)],
            kept: &mut self.kept,
        }
    }

    /// Waits until something has arrived since the queue was last found empty. May return for nothing.
    pub(super) async fn arrival(&self) {
        self.handle.shared.arrived.notified().await;
    }

    /// Errors that are of no partition, since the last call.
    pub(super) fn errors(&self) -> Vec<(RDKafkaErrorCode, String)> {
        std::mem::take(&mut *self.handle.shared.errors.lock())
    }

    /// The end of a partition as the last answer of its broker said it: the offset of the next message to be written.
    pub(super) fn high_watermark(&self, topic: &CStr, partition: i32) -> Option<i64> {
        let (mut low, mut high) = (-1, -1);
        // SAFETY: all are alive; nothing is asked of a broker.
        let error = unsafe {
            c::rd_kafka_get_watermark_offsets(
                self.client(),
                topic.as_ptr(),
                partition,
                &raw mut low,
                &raw mut high,
            )
        };
        (error == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
    }

    /// Sends offsets to the group, and does not wait for the answer.
    pub(super) fn commit(&self, partitions: &TopicPartitionList) -> Result<(), KafkaError> {
        // SAFETY: both are alive; librdkafka copies the list.
        let error = unsafe { c::rd_kafka_commit(self.client(), partitions.ptr(), 1) };
        match error {
            rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            error => Err(KafkaError::ConsumerCommit(error.into())),
        }
    }

    fn client(&self) -> *mut RDKafka {
        self.handle.client.as_ptr()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        drop(Batch {
            messages: &self.buffer[..self.kept],
            kept: &mut 0,
        });
        // SAFETY: it is not used again.
        let handle = unsafe { ManuallyDrop::take(&mut self.handle) };
        // The client waits for its threads, and those for brokers. If there is no thread for it, it is dropped here.
        let closing = std::thread::Builder::new().name("kafka-close".into());
        let _ = closing.spawn(move || drop(handle));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: nobody uses them any more; the queue goes before its client, and the shared part after it.
        unsafe {
            c::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, null_mut());
            c::rd_kafka_queue_destroy(self.queue.as_ptr());
            // It is in no group that it would have to leave.
            c::rd_kafka_destroy_flags(
                self.client.as_ptr(),
                c::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE as c_int,
            );
        }
    }
}

/// Messages and errors in the order of their arrival, given back when dropped.
pub(super) struct Batch<'a> {
    messages: &'a [*mut RDKafkaMessage],
    /// The consumer's.
    kept: &'a mut usize,
}

impl Batch<'_> {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Has the next call hand them out again.
    pub(super) fn keep(self) {
        // They are given back with the batch that has them then, or with the consumer.
        let mut batch = ManuallyDrop::new(self);
        *batch.kept = batch.messages.len();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        // SAFETY: librdkafka filled in these pointers, and they are valid until they are given back.
        self.messages.iter().map(|message| Message(unsafe { &**message }))
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for message in self.messages {
            // SAFETY: each is given back once.
            unsafe { c::rd_kafka_message_destroy(*message) };
        }
    }
}

/// A message, or an error of a partition.
#[derive(Clone, Copy)]
pub(super) struct Message<'a>(&'a RDKafkaMessage);

/// What a partition is known by while messages of it are there.
pub(super) type PartitionKey = (usize, i32);

impl<'a> Message<'a> {
    /// The error, if it is none of a message.
    pub(super) fn error(self) -> Option<RDKafkaErrorCode> {
        let error = self.0.err;
        (error != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| error.into())
    }

    /// What an error says.
    pub(super) fn error_text(self) -> String {
        match bytes(self.0.payload, self.0.len) {
            Some(text) => String::from_utf8_lossy(text).into_owned(),
            None => String::new(),
        }
    }

    /// The same for all messages of its partition in a batch.
    pub(super) fn partition_key(self) -> PartitionKey {
        (self.0.rkt as usize, self.0.partition)
    }

    /// The topic; none of an error that is of no partition.
    pub(super) fn topic(self) -> Option<&'a str> {
        if self.0.rkt.is_null() {
            return None;
        }
        // SAFETY: the topic lives as long as the message; names of topics are ASCII.
        let name = unsafe { CStr::from_ptr(c::rd_kafka_topic_name(self.0.rkt)) };
        name.to_str().ok()
    }

    pub(super) fn partition(self) -> i32 {
        self.0.partition
    }

    pub(super) fn offset(self) -> i64 {
        self.0.offset
    }

    pub(super) fn key(self) -> Option<&'a [u8]> {
        bytes(self.0.key, self.0.key_len)
    }

    pub(super) fn value(self) -> Option<&'a [u8]> {
        bytes(self.0.payload, self.0.len)
    }

    /// When it was made, in ms since 1970 (-1: unknown), and which kind of time that is.
    pub(super) fn timestamp(self) -> (i64, rd_kafka_timestamp_type_t) {
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: both are alive.
        let time = unsafe { c::rd_kafka_message_timestamp(self.0, &raw mut kind) };
        (time, kind)
    }

    /// The epoch of the leader that it was read from, if it is known.
    pub(super) fn leader_epoch(self) -> Option<i32> {
        // SAFETY: the message is alive.
        let epoch = unsafe { c::rd_kafka_message_leader_epoch(self.0) };
        (epoch >= 0).then_some(epoch)
    }

    /// Calls this for each header with its name, which is UTF-8 or made to be, and its value.
    pub(super) fn each_header(self, mut then: impl FnMut(&str, Option<&[u8]>)) {
        let mut headers = null_mut();
        // SAFETY: librdkafka parses the headers into the message, where they stay.
        let error = unsafe { c::rd_kafka_message_headers(self.0, &raw mut headers) };
        if error != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        for index in 0.. {
            let (mut name, mut value, mut size) = (null(), null(), 0);
            // SAFETY: the headers are alive; the function says when there is no such index.
            let error = unsafe {
                c::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut size)
            };
            if error != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            // SAFETY: librdkafka gives names that end in a zero.
            let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
            then(&name, bytes(value.cast_mut(), size));
        }
    }
}

fn bytes<'a>(start: *mut c_void, len: usize) -> Option<&'a [u8]> {
    if start.is_null() {
        return None;
    }
    // SAFETY: librdkafka says where and how long a message's parts are; callers bound the lifetime by the message's.
    Some(unsafe { slice::from_raw_parts(start.cast::<u8>(), len) })
}

fn text(start: *const c_char) -> String {
    if start.is_null() {
        return String::new();
    }
    // SAFETY: texts of librdkafka's end in a zero.
    unsafe { CStr::from_ptr(start) }.to_string_lossy().into_owned()
}

fn ok(error: *mut c::rd_kafka_error_t) -> Result<(), String> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the error is ours, and gone after its text was copied.
    unsafe {
        let reason = text(c::rd_kafka_error_string(error));
        c::rd_kafka_error_destroy(error);
        Err(reason)
    }
}

/// A topic's name as librdkafka takes it.
pub(super) fn name(topic: &str) -> CString {
    CString::new(topic).unwrap_or_default()
}

unsafe extern "C" fn on_arrival(_client: *mut RDKafka, shared: *mut c_void) {
    // SAFETY: this is what the callback was made with, and it outlives the queue.
    let shared = unsafe { &*shared.cast::<Shared>() };
    shared.arrived.notify_one();
}

unsafe extern "C" fn on_error(client: *mut RDKafka, code: c_int, reason: *const c_char, shared: *mut c_void) {
    // SAFETY: this is what the client was made with, and it outlives it.
    let shared = unsafe { &*shared.cast::<Shared>() };
    let mut reason = text(reason);
    let code = rd_kafka_resp_err_t::try_from(code);
    let code = code.map_or(RDKafkaErrorCode::Unknown, RDKafkaErrorCode::from);
    if code == RDKafkaErrorCode::Fatal {
        let mut why = [0; 512];
        // SAFETY: the client is alive, and the buffer as long as said.
        let fatal = unsafe { c::rd_kafka_fatal_error(client, why.as_mut_ptr(), why.len()) };
        reason = format!(
            "{reason}: {} ({:?})",
            text(why.as_ptr()),
            RDKafkaErrorCode::from(fatal)
        );
    }
    shared.errors.lock().push((code, reason));
}

unsafe extern "C" fn on_commit(
    _client: *mut RDKafka,
    error: rd_kafka_resp_err_t,
    _partitions: *mut c::rd_kafka_topic_partition_list_t,
    _shared: *mut c_void,
) {
    use rd_kafka_resp_err_t::{RD_KAFKA_RESP_ERR__NO_OFFSET, RD_KAFKA_RESP_ERR_NO_ERROR};
    if error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR__NO_OFFSET {
        let error = RDKafkaErrorCode::from(error);
        tracing::warn!(
            "offsets were not committed to the consumer group, which is for monitoring alone: {error}"
        );
    }
}

unsafe extern "C" fn on_log(
    _client: *const RDKafka,
    level: c_int,
    facility: *const c_char,
    line: *const c_char,
) {
    let (facility, line) = (text(facility), text(line));
    // As syslog counts. Lost connections are told as errors too, which are said as warnings.
    match level {
        0..=2 => tracing::error!(target: "librdkafka", "{facility}: {line}"),
        3..=4 => tracing::debug!(target: "librdkafka", "{facility}: {line}"),
        _ => tracing::trace!(target: "librdkafka", "{facility}: {line}"),
    }
}
