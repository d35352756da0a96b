//! The loop of a subtask that takes its input from channels.

use std::{future::pending, sync::Arc};

use weir_model::Failure;

use super::{
    Steps, YIELD_EVERY,
    chain::Target,
    inbox::{Inbox, Item},
    message::Message,
    metrics::Activity,
    subtask::InputChannel,
};
use crate::exchange::ipc;

/// A subtask whose operators are fed by an inbox.
pub struct InputTask {
    /// Its channels.
    pub inbox: Inbox,
    /// What each channel carries.
    pub channels: Vec<InputChannel>,
    /// Where the messages of each channel enter the chain.
    pub entries: Vec<Target>,
    /// What is done with them.
    pub steps: Steps,
}

impl InputTask {
    /// Runs until every channel has ended.
    pub async fn run(mut self) -> Result<(), Failure> {
        self.steps.counters.activities.enter(Activity::Busy);
        let mut since_yield = 0;
        while !self.steps.chain.has_ended() {
            let Some((channel, item)) = self.inbox.try_receive()? else {
                self.pause().await?;
                continue;
            };
            let message = match item {
                Item::Message(message) => message,
                Item::Encoded(encoded) => {
                    Message::Batch(ipc::decode(encoded, &self.channels[channel].schema)?)
                }
            };
            let says_time = !matches!(message, Message::Batch(_));
            self.steps.feed(self.entries[channel], message).await?;
            if says_time {
                self.report_watermark();
            }
            since_yield += 1;
            if since_yield == YIELD_EVERY {
                since_yield = 0;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// No message waits: does what is due, then waits for a message or for the next thing that is due.
    async fn pause(&mut self) -> Result<(), Failure> {
        let now = self.steps.clock.elapsed();
        self.steps.tick(now).await?;
        self.steps.outputs.pause(now).await?;
        self.steps.counters.activities.enter(Activity::Idle);
        let due = self.steps.due(now);
        let clock = Arc::clone(&self.steps.clock);
        let sleep = async {
            match due {
                Some(due) => clock.sleep(due.saturating_sub(now)).await,
                None => pending().await,
            }
        };
        let answer = tokio::select! {
            () = self.inbox.wait() => None,
            answer = self.steps.lookups.next() => Some(answer?),
            () = sleep => None,
        };
        self.steps.counters.activities.enter(Activity::Busy);
        if let Some((node, messages)) = answer {
            let now = self.steps.clock.elapsed();
            self.steps.on_answer(node, messages, now).await?;
        }
        Ok(())
    }

    /// The lowest time of the operators that channels lead to.
    fn report_watermark(&self) {
        let heads = self.entries.iter().filter_map(|entry| match entry {
            Target::Node { node, .. } => Some(self.steps.chain.watermark(*node)),
            Target::Leaf(_) | Target::Table(_) => None,
        });
        if let Some(lowest) = heads.min() {
            self.steps.counters.set_watermark(lowest);
        }
    }
}
