//! Messages that the broker sent and was not told that it may forget: no checkpoint has them yet.

use std::collections::{BTreeMap, HashMap};

use rumqttc::v5::mqttbytes::{QoS, v5::Publish};

/// Messages by their number, which counts what was taken in a session.
#[derive(Debug, Default)]
pub(super) struct Unacknowledged {
    waiting: BTreeMap<u64, Waiting>,
    /// The number of the message that the broker knows by an id.
    by_id: HashMap<u16, u64>,
    /// The last one that a checkpoint has.
    kept: u64,
}

#[derive(Debug)]
struct Waiting {
    publish: Publish,
    /// It came over the connection that there is now: only there can it be acknowledged.
    is_live: bool,
}

/// What a message that came is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It has to be read.
    New,
    /// It was read, and is to be acknowledged with its checkpoint.
    Known,
    /// It was read, and a checkpoint has it.
    Kept,
}

impl Unacknowledged {
    /// The connection is another one; if the broker has no session any more, it has forgotten all.
    pub(super) fn reconnected(&mut self, has_session: bool) {
        if !has_session {
            self.waiting.clear();
            self.by_id.clear();
        }
        self.waiting
            .values_mut()
            .for_each(|waiting| waiting.is_live = false);
    }

    /// What this message is, which the broker may send once more when a connection broke.
    pub(super) fn arrive(&mut self, publish: &Publish) -> Arrival {
        if publish.qos == QoS::AtMostOnce {
            return Arrival::New;
        }
        let number = self.by_id.get(&publish.pkid).copied();
        let Some((number, waiting)) =
            number.and_then(|number| Some((number, self.waiting.get_mut(&number)?)))
        else {
            return Arrival::New;
        };
        let is_same = publish.dup
            && !waiting.is_live
            && waiting.publish.topic == publish.topic
            && waiting.publish.payload == publish.payload;
        if is_same && number > self.kept {
            waiting.is_live = true;
            return Arrival::Known;
        }
        self.waiting.remove(&number);
        self.by_id.remove(&publish.pkid);
        if is_same { Arrival::Kept } else { Arrival::New }
    }

    /// A message was taken as the one of that number.
    pub(super) fn take(&mut self, number: u64, publish: &Publish) {
        if publish.qos == QoS::AtMostOnce {
            return;
        }
        self.by_id.insert(publish.pkid, number);
        let waiting = Waiting {
            publish: publish.clone(),
            is_live: true,
        };
        self.waiting.insert(number, waiting);
    }

    /// A checkpoint has all up to that number: those that can be acknowledged now.
    pub(super) fn keep(&mut self, number: u64) -> Vec<Publish> {
        self.kept = self.kept.max(number);
        let kept = self.waiting.range(..=self.kept);
        let live: Vec<_> = kept
            .filter(|(_, waiting)| waiting.is_live)
            .map(|(number, _)| *number)
            .collect();
        let mut publishes = Vec::with_capacity(live.len());
        for number in live {
            if let Some(Waiting { publish, .. }) = self.waiting.remove(&number) {
                self.by_id.remove(&publish.pkid);
                publishes.push(publish);
            }
        }
        publishes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(id: u16, text: &'static str, dup: bool) -> Publish {
        Publish {
            dup,
            pkid: id,
            ..Publish::new("t", QoS::AtLeastOnce, text, None)
        }
    }

    fn ids(publishes: Vec<Publish>) -> Vec<u16> {
        publishes.iter().map(|publish| publish.pkid).collect()
    }

    fn taken(count: u16) -> Unacknowledged {
        let mut waiting = Unacknowledged::default();
        for id in 1..=count {
            let message = publish(id, "x", false);
            assert_eq!(waiting.arrive(&message), Arrival::New);
            waiting.take(id.into(), &message);
        }
        waiting
    }

    #[test]
    fn messages_are_acknowledged_when_a_checkpoint_has_them() {
        let mut waiting = taken(4);
        assert_eq!(ids(waiting.keep(2)), [1, 2]);
        assert!(waiting.keep(2).is_empty());
        // The broker gives an id anew.
        assert_eq!(waiting.arrive(&publish(1, "y", false)), Arrival::New);
        waiting.take(5, &publish(1, "y", false));
        assert_eq!(ids(waiting.keep(5)), [3, 4, 1]);
    }

    #[test]
    fn what_comes_once_more_over_another_connection_is_read_once() {
        let mut waiting = taken(3);
        waiting.reconnected(true);
        assert_eq!(waiting.arrive(&publish(1, "x", true)), Arrival::Known);
        // Those that did not come over this connection cannot be acknowledged yet.
        assert_eq!(ids(waiting.keep(2)), [1]);
        assert_eq!(waiting.arrive(&publish(2, "x", true)), Arrival::Kept);
        assert_eq!(waiting.arrive(&publish(3, "x", true)), Arrival::Known);
        assert_eq!(ids(waiting.keep(3)), [3]);
    }

    #[test]
    fn a_broker_that_forgot_its_session_sends_new_messages_by_old_ids() {
        let mut waiting = taken(2);
        waiting.reconnected(false);
        assert_eq!(waiting.arrive(&publish(1, "x", true)), Arrival::New);
        let mut waiting = taken(2);
        waiting.reconnected(true);
        assert_eq!(waiting.arrive(&publish(2, "other", false)), Arrival::New);
    }
}
