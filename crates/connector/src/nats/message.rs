//! Messages of streams.

use std::borrow::Cow;

use async_nats::Message as Received;

use super::metadata::{HEADERS, MESSAGE_ID, SEQUENCE, STREAM, SUBJECT, TIMESTAMP};
use crate::messages::{Message, Said};

pub(super) const ID_HEADER: &str = "Nats-Msg-Id";

/// A message, and where it is.
#[derive(Debug)]
pub(super) struct Stored {
    received: Received,
    pub(super) place: Place,
}

/// What the subject says to which a message would be acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) stream: String,
    /// The message's number in the stream.
    pub(super) sequence: u64,
    /// Its number among those that the consumer has handed out.
    pub(super) of_consumer: u64,
    /// When it was stored, ns since 1970.
    stored_ns: i64,
    /// How many the consumer has to hand out behind it.
    pub(super) pending: u64,
}

impl Stored {
    /// None: it is no message of a stream.
    pub(super) fn new(received: Received) -> Option<Self> {
        let place = Place::parse(received.reply.as_ref()?)?;
        Some(Self { received, place })
    }
}

impl Place {
    /// `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<of consumer>.<time>.<pending>`; in newer servers with a domain and the hash
    /// of an account before the stream, and something random at the end.
    fn parse(subject: &str) -> Option<Self> {
        let tokens: Vec<&str> = subject.strip_prefix("$JS.ACK.")?.split('.').collect();
        let tokens = match tokens.len() {
            7 => tokens.as_slice(),
            9.. => &tokens[2..9],
            _ => return None,
        };
        Some(Self {
            stream: tokens[0].to_owned(),
            sequence: tokens[3].parse().ok()?,
            of_consumer: tokens[4].parse().ok()?,
            stored_ns: tokens[5].parse().ok()?,
            pending: tokens[6].parse().ok()?,
        })
    }
}

impl Message for Stored {
    fn payload(&self) -> &[u8] {
        &self.received.payload
    }

    fn says(&self, key: &str) -> Said<'_> {
        match key {
            STREAM => Said::Text(Cow::Borrowed(&self.place.stream)),
            SUBJECT => Said::Text(Cow::Borrowed(self.received.subject.as_str())),
            SEQUENCE => Said::Long(self.place.sequence as i64),
            TIMESTAMP => Said::Instant(self.place.stored_ns.div_euclid(1_000_000)),
            MESSAGE_ID => {
                let id = self
                    .received
                    .headers
                    .as_ref()
                    .and_then(|headers| headers.get_last(ID_HEADER));
                id.map_or(Said::Null, |id| Said::Text(Cow::Borrowed(id.as_str())))
            }
            HEADERS => {
                let headers = self.received.headers.iter().flat_map(|headers| headers.iter());
                let last = headers.filter_map(|(name, values)| {
                    let name: &str = name.as_ref();
                    Some((name, values.last()?.as_str().as_bytes()))
                });
                Said::Entries(last.collect())
            }
            _ => Said::Null,
        }
    }

    fn place(&self) -> String {
        format!("{}@{}", self.place.stream, self.place.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_where_it_is_in_the_words_of_old_and_new_servers() {
        let place = Place {
            stream: "orders".into(),
            sequence: 20,
            of_consumer: 4,
            stored_ns: 1_700_000_000_000_000_001,
            pending: 3,
        };
        for subject in [
            "$JS.ACK.orders.c.1.20.4.1700000000000000001.3",
            "$JS.ACK.hub.Hash.orders.c.1.20.4.1700000000000000001.3",
            "$JS.ACK._.Hash.orders.c.1.20.4.1700000000000000001.3.random",
        ] {
            assert_eq!(Place::parse(subject).as_ref(), Some(&place), "{subject}");
        }
        for wrong in [
            "_INBOX.x",
            "$JS.ACK.orders.c.1.20.4",
            "$JS.ACK.orders.c.1.x.4.1.3",
        ] {
            assert_eq!(Place::parse(wrong), None, "{wrong}");
        }
    }
}
