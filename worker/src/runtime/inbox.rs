//! Where a subtask takes its input from: bounded channels, one per upstream subtask and edge.
//!
//! Every channel has a queue and a budget of its own, in bytes, so that a full one never blocks its siblings and a
//! receiver can stop reading one of them. A channel takes a message while it holds less than its budget: one message may
//! exceed it, so that there is no message that cannot be sent.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;
use weir_model::Failure;

use super::message::{Barrier, Message};
use crate::exchange::ipc::Encoded;

/// What waits in a channel: rows from another process are decoded by the subtask that takes them.
#[derive(Clone, Debug)]
pub enum Item {
    /// From a subtask in this process.
    Message(Message),
    /// A batch from another process.
    Encoded(Encoded),
}

/// Bytes that a receiver has taken out of a remote channel and may be sent again.
pub type Credits = UnboundedSender<(usize, usize)>;

#[derive(Debug, Default)]
struct Channel {
    queue: VecDeque<(Item, usize)>,
    used: usize,
    sender: Option<Waker>,
    credit: Option<RemoteCredit>,
    /// It is not read for now.
    is_blocked: bool,
}

impl Channel {
    /// So many bytes are in it no more. Returns the sender that waits for room, if there is room.
    fn taken(&mut self, bytes: usize, budget: usize) -> Option<Waker> {
        self.used -= bytes;
        if let Some(credit) = &mut self.credit {
            credit.gathered += bytes;
            // A sender that waits has a whole budget outstanding, so half of it always comes back to it.
            if credit.gathered >= budget.div_ceil(2) {
                // The connection may have gone; then nobody waits for the credit.
                let _ = credit.to.send((credit.tag, std::mem::take(&mut credit.gathered)));
            }
        }
        if self.used < budget {
            self.sender.take()
        } else {
            None
        }
    }
}

/// Where taken bytes are told to the remote sender, gathered so that few messages say it.
#[derive(Debug)]
struct RemoteCredit {
    tag: usize,
    to: Credits,
    gathered: usize,
}

#[derive(Debug)]
struct State {
    channels: Vec<Channel>,
    /// Channels that hold messages, in the order of turns.
    ready: VecDeque<usize>,
    receiver: Option<Waker>,
    receiver_gone: bool,
    failure: Option<Failure>,
    /// The last barrier that was put into any channel, until the receiver has seen it.
    announced: Option<Arc<Barrier>>,
}

#[derive(Debug)]
struct Shared {
    budget: usize,
    state: Mutex<State>,
}

/// The receiving end of all channels of one subtask.
#[derive(Debug)]
pub struct Inbox {
    shared: Arc<Shared>,
    announced: Option<Arc<Barrier>>,
}

/// The sending end of one channel.
#[derive(Debug)]
pub struct InboxSender {
    shared: Arc<Shared>,
    channel: usize,
}

/// The receiver has gone: it failed or was cancelled, and takes nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverGone;

/// An inbox of so many channels, each with a budget in bytes.
pub fn inbox(channels: usize, budget: usize) -> (Inbox, Vec<InboxSender>) {
    let shared = Arc::new(Shared {
        budget: budget.max(1),
        state: Mutex::new(State {
            channels: (0..channels).map(|_| Channel::default()).collect(),
            ready: VecDeque::with_capacity(channels),
            receiver: None,
            receiver_gone: false,
            failure: None,
            announced: None,
        }),
    });
    let senders = (0..channels)
        .map(|channel| InboxSender {
            shared: Arc::clone(&shared),
            channel,
        })
        .collect();
    let inbox = Inbox {
        shared,
        announced: None,
    };
    (inbox, senders)
}

/// A barrier that has gone ahead of what came before it in its channel.
#[derive(Debug)]
pub struct Overtaken {
    /// The channel.
    pub channel: usize,
    /// The barrier, which is in the channel no more.
    pub barrier: Arc<Barrier>,
    /// What it has overtaken, which still is in the channel.
    pub items: Vec<Item>,
}

impl Inbox {
    /// The next message and its channel, if one waits. Channels take turns.
    pub fn try_receive(&mut self) -> Result<Option<(usize, Item)>, Failure> {
        let mut state = self.shared.state.lock();
        if state.announced.is_some() {
            self.announced = state.announced.take();
        }
        match Self::take(&mut state, self.shared.budget) {
            Some((channel, item, sender)) => {
                drop(state);
                if let Some(sender) = sender {
                    sender.wake();
                }
                Ok(Some((channel, item)))
            }
            // A failure comes after what was received before it.
            None => state.failure.clone().map_or(Ok(None), Err),
        }
    }

    /// The last barrier that had come into any channel when something was last asked for; once.
    pub fn announced(&mut self) -> Option<Arc<Barrier>> {
        self.announced.take()
    }

    /// Takes the barriers of a checkpoint out of all channels, ahead of what came before them.
    pub fn overtake(&mut self, checkpoint: u64) -> Vec<Overtaken> {
        let budget = self.shared.budget;
        let (mut overtaken, mut senders) = (Vec::new(), Vec::new());
        {
            let mut state = self.shared.state.lock();
            let State { channels, ready, .. } = &mut *state;
            for (index, channel) in channels.iter_mut().enumerate() {
                let is_it = |(item, _): &(Item, usize)| matches!(item, Item::Message(Message::Barrier(barrier)) if barrier.checkpoint == checkpoint);
                let Some(at) = channel.queue.iter().position(is_it) else {
                    continue;
                };
                let Some((Item::Message(Message::Barrier(barrier)), bytes)) = channel.queue.remove(at) else {
                    continue;
                };
                senders.extend(channel.taken(bytes, budget));
                if channel.queue.is_empty() {
                    ready.retain(|ready| *ready != index);
                }
                overtaken.push(Overtaken {
                    channel: index,
                    barrier,
                    items: channel
                        .queue
                        .iter()
                        .take(at)
                        .map(|(item, _)| item.clone())
                        .collect(),
                });
            }
        }
        senders.into_iter().for_each(Waker::wake);
        overtaken
    }

    /// Does not read a channel until all are [released](Self::release). What it holds stays there, and its sender fills it up and waits.
    pub fn block(&mut self, channel: usize) {
        let mut state = self.shared.state.lock();
        state.channels[channel].is_blocked = true;
        state.ready.retain(|ready| *ready != channel);
    }

    /// Reads all channels again.
    pub fn release(&mut self) {
        let mut state = self.shared.state.lock();
        let State { channels, ready, .. } = &mut *state;
        for (index, channel) in channels.iter_mut().enumerate() {
            if std::mem::take(&mut channel.is_blocked) && !channel.queue.is_empty() {
                ready.push_back(index);
            }
        }
    }

    /// Returns when a message waits or the inbox has failed.
    pub async fn wait(&mut self) {
        poll_fn(|context| self.poll_wait(context)).await;
    }

    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.state.lock();
        if !state.ready.is_empty() || state.failure.is_some() {
            return Poll::Ready(());
        }
        match &mut state.receiver {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    fn take(state: &mut State, budget: usize) -> Option<(usize, Item, Option<Waker>)> {
        let index = state.ready.pop_front()?;
        let channel = &mut state.channels[index];
        let (item, bytes) = channel.queue.pop_front()?;
        let sender = channel.taken(bytes, budget);
        if !channel.queue.is_empty() {
            state.ready.push_back(index);
        }
        Some((index, item, sender))
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.receiver_gone = true;
        state.ready.clear();
        for channel in &mut state.channels {
            channel.queue.clear();
            channel.used = 0;
        }
    }
}

impl InboxSender {
    /// Puts a message into the channel if there is room; else gives it back.
    ///
    /// When the receiver has gone there is never room again: a sender then waits until it is cancelled, so that the
    /// receiver's own failure is the only one that is reported.
    pub fn try_send(&mut self, message: Message) -> Result<(), Message> {
        let bytes = message.bytes();
        let state = self.shared.state.lock();
        if state.receiver_gone || state.channels[self.channel].used >= self.shared.budget {
            return Err(message);
        }
        Self::put(state, self.channel, Item::Message(message), bytes);
        Ok(())
    }

    /// Returns when the channel has room.
    pub async fn room(&mut self) {
        poll_fn(|context| self.poll_room(context)).await;
    }

    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.state.lock();
        if !state.receiver_gone && state.channels[self.channel].used < self.shared.budget {
            return Poll::Ready(());
        }
        state.channels[self.channel].sender = Some(context.waker().clone());
        Poll::Pending
    }

    /// Puts in what a remote sender sent within its credit: never waits.
    pub fn deliver(&self, item: Item, bytes: usize) -> Result<(), ReceiverGone> {
        let state = self.shared.state.lock();
        if state.receiver_gone {
            return Err(ReceiverGone);
        }
        Self::put(state, self.channel, item, bytes);
        Ok(())
    }

    /// Makes this a remote channel: `tag` and the bytes taken out are sent to `credits`. Returns the initial credit, bytes.
    pub fn grant_to(&self, tag: usize, credits: Credits) -> Result<usize, ReceiverGone> {
        let mut state = self.shared.state.lock();
        if state.receiver_gone {
            return Err(ReceiverGone);
        }
        state.channels[self.channel].credit = Some(RemoteCredit {
            tag,
            to: credits,
            gathered: 0,
        });
        Ok(self.shared.budget)
    }

    /// Whether the receiver has gone.
    pub fn is_gone(&self) -> bool {
        self.shared.state.lock().receiver_gone
    }

    /// Fails the receiving subtask once it has taken what came before.
    pub fn fail(&self, failure: Failure) {
        let mut state = self.shared.state.lock();
        state.failure.get_or_insert(failure);
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    fn put(mut state: parking_lot::MutexGuard<'_, State>, index: usize, item: Item, bytes: usize) {
        if let Item::Message(Message::Barrier(barrier)) = &item {
            state.announced = Some(Arc::clone(barrier));
        }
        let channel = &mut state.channels[index];
        channel.used += bytes;
        channel.queue.push_back((item, bytes));
        if channel.queue.len() == 1 && !channel.is_blocked {
            state.ready.push_back(index);
        }
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;
    use weir_model::EventTime;

    use super::*;
    use crate::runtime::message::MESSAGE_BYTES;

    fn at(time: i64) -> Message {
        Message::Watermark(EventTime(time))
    }

    fn receive(inbox: &mut Inbox) -> Option<(usize, Message)> {
        match inbox.try_receive().expect("the inbox has not failed")? {
            (channel, Item::Message(message)) => Some((channel, message)),
            (_, Item::Encoded(_)) => panic!("nothing remote was sent"),
        }
    }

    #[test]
    fn a_channel_is_full_at_its_budget_and_its_sibling_is_not() {
        let (mut inbox, mut senders) = inbox(2, 2 * MESSAGE_BYTES - 1);
        assert_eq!(senders[0].try_send(at(1)), Ok(()));
        assert_eq!(
            senders[0].try_send(at(2)),
            Ok(()),
            "one message may exceed the budget"
        );
        assert_eq!(senders[0].try_send(at(3)), Err(at(3)));
        assert_eq!(senders[1].try_send(at(4)), Ok(()));
        assert_eq!(receive(&mut inbox), Some((0, at(1))));
        assert_eq!(senders[0].try_send(at(3)), Ok(()));
        assert_eq!(receive(&mut inbox), Some((1, at(4))), "channels take turns");
        assert_eq!(receive(&mut inbox), Some((0, at(2))));
        assert_eq!(receive(&mut inbox), Some((0, at(3))));
        assert_eq!(receive(&mut inbox), None);
    }

    #[test]
    fn a_blocked_channel_is_not_read_and_keeps_what_comes() {
        let (mut inbox, mut senders) = inbox(2, 1000);
        assert_eq!(senders[0].try_send(at(1)), Ok(()));
        assert_eq!(senders[0].try_send(at(2)), Ok(()));
        assert_eq!(receive(&mut inbox), Some((0, at(1))));
        inbox.block(0);
        inbox.block(1);
        assert_eq!(senders[1].try_send(at(3)), Ok(()));
        assert_eq!(receive(&mut inbox), None);
        inbox.release();
        assert_eq!(receive(&mut inbox), Some((0, at(2))));
        assert_eq!(receive(&mut inbox), Some((1, at(3))));
        assert_eq!(receive(&mut inbox), None);
    }

    #[test]
    fn a_barrier_overtakes_what_came_before_it_and_leaves_it_there() {
        let barrier = |checkpoint| {
            let savepoint_url = None;
            Message::Barrier(Arc::new(Barrier {
                checkpoint,
                savepoint_url,
            }))
        };
        let (mut inbox, mut senders) = inbox(3, 1000);
        for message in [at(1), barrier(1), at(2), barrier(2), at(3)] {
            assert_eq!(senders[0].try_send(message), Ok(()));
        }
        assert_eq!(senders[1].try_send(at(4)), Ok(()));
        assert_eq!(senders[2].try_send(barrier(2)), Ok(()));
        let overtaken = inbox.overtake(2);
        let channels: Vec<_> = overtaken.iter().map(|o| (o.channel, o.items.len())).collect();
        assert_eq!(channels, [(0, 3), (2, 0)]);
        assert!(overtaken.iter().all(|o| o.barrier.checkpoint == 2));
        let left: Vec<_> = std::iter::from_fn(|| receive(&mut inbox)).collect();
        let expected = [(0, at(1)), (1, at(4)), (0, barrier(1)), (0, at(2)), (0, at(3))];
        assert_eq!(left, expected);
        assert!(inbox.overtake(2).is_empty());
        assert_eq!(inbox.announced().map(|barrier| barrier.checkpoint), Some(2));
        assert_eq!(inbox.announced(), None, "it is said once");
        assert_eq!(senders[2].try_send(at(5)), Ok(()));
        assert_eq!(
            receive(&mut inbox),
            Some((2, at(5))),
            "an emptied channel is read again"
        );
    }

    #[tokio::test]
    async fn a_waiting_sender_wakes_when_there_is_room_and_a_waiting_receiver_when_there_is_a_message() {
        let (mut inbox, mut senders) = inbox(1, 1);
        let mut sender = senders.remove(0);
        let sending = tokio::spawn(async move {
            for i in 0..100 {
                while sender.try_send(at(i)).is_err() {
                    sender.room().await;
                }
            }
        });
        for i in 0..100 {
            let message = timeout(Duration::from_secs(5), async {
                loop {
                    match receive(&mut inbox) {
                        Some((_, message)) => break message,
                        None => inbox.wait().await,
                    }
                }
            });
            assert_eq!(message.await.expect("a message comes"), at(i));
        }
        sending.await.expect("the sender ends");
    }

    #[tokio::test]
    async fn a_sender_whose_receiver_has_gone_waits_to_be_cancelled() {
        let (inbox, mut senders) = inbox(1, 1000);
        drop(inbox);
        assert_eq!(senders[0].try_send(at(1)), Err(at(1)));
        assert!(
            timeout(Duration::from_millis(20), senders[0].room())
                .await
                .is_err()
        );
        assert_eq!(senders[0].deliver(Item::Message(at(1)), 1), Err(ReceiverGone));
    }

    #[test]
    fn a_failure_comes_after_what_was_received_before_it() {
        let (mut inbox, mut senders) = inbox(1, 1000);
        assert_eq!(senders[0].try_send(at(1)), Ok(()));
        senders[0].fail(Failure::internal("the connection broke"));
        assert_eq!(receive(&mut inbox), Some((0, at(1))));
        assert!(inbox.try_receive().is_err());
    }

    #[test]
    fn taken_bytes_go_back_to_the_remote_sender_in_halves_of_the_budget() {
        let (mut inbox, senders) = inbox(1, 100);
        let (credits, mut granted) = tokio::sync::mpsc::unbounded_channel();
        assert_eq!(senders[0].grant_to(7, credits), Ok(100));
        for _ in 0..3 {
            senders[0]
                .deliver(Item::Message(at(1)), 40)
                .expect("the receiver is there");
        }
        inbox.try_receive().expect("works");
        assert!(granted.try_recv().is_err());
        inbox.try_receive().expect("works");
        assert_eq!(granted.try_recv(), Ok((7, 80)));
    }
}
