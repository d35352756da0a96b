//! The loop of a subtask that takes its input from channels.

use std::{future::pending, sync::Arc, time::Duration};

use weir_model::Failure;

use super::{
    Steps, YIELD_EVERY,
    align::{Aligner, Turn, Verdict},
    checkpoint::{Cut, said},
    in_flight::{Inputs, Recorded, Recording},
    inbox::{Inbox, Item, Overtaken},
    message::{Barrier, Message},
    metrics::Activity,
    news::Last,
    node::Target,
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
    /// How their barriers wait for each other.
    pub aligner: Aligner,
    /// What is done with them.
    pub steps: Steps,
    /// Where the channels lead.
    pub inputs: Inputs,
    /// Rows in flight of the checkpoint that is being taken.
    pub recording: Option<Recording>,
    /// Barriers may wait behind rows that they are to overtake.
    pub looks_for_barriers: bool,
}

impl InputTask {
    /// Runs until every channel has ended. Returns what is left of it, if checkpoints are taken.
    pub async fn run(mut self) -> Result<Option<Last>, Failure> {
        self.steps.counters.activities.enter(Activity::Busy);
        self.steps.begin().await?;
        let mut since_yield = 0;
        while !self.steps.chain.has_ended() {
            self.hear().await?;
            let Some((channel, item)) = self.inbox.try_receive()? else {
                self.heed_barriers().await?;
                self.pause().await?;
                continue;
            };
            let message = match item {
                Item::Message(message) => message,
                Item::Encoded(encoded) => {
                    Message::Batch(ipc::decode(encoded, &self.channels[channel].schema)?)
                }
            };
            let is_batch = matches!(message, Message::Batch(_));
            self.take_in(channel, message).await?;
            self.steps.say_more()?;
            self.heed_barriers().await?;
            if !is_batch {
                self.report_watermark();
            }
            since_yield += 1;
            if since_yield == YIELD_EVERY {
                since_yield = 0;
                tokio::task::yield_now().await;
            }
        }
        self.steps.last(Vec::new()).await
    }

    async fn take_in(&mut self, channel: usize, message: Message) -> Result<(), Failure> {
        let now = self.steps.clock.elapsed();
        let verdict = match message {
            Message::Barrier(barrier) => self.aligner.on_barrier(channel, &barrier, now),
            Message::End => {
                self.steps.feed(self.entries[channel], Message::End).await?;
                self.aligner.on_end(channel, now)
            }
            message => {
                if let (Message::Batch(batch), Some(recording)) = (&message, &mut self.recording)
                    && self.aligner.records(channel)
                {
                    recording.add(channel, batch.clone());
                }
                return self.steps.feed_at(self.entries[channel], message, now).await;
            }
        };
        if verdict.block {
            self.inbox.block(channel);
        }
        self.follow(verdict).await
    }

    async fn follow(&mut self, verdict: Verdict) -> Result<(), Failure> {
        if verdict.release {
            self.inbox.release();
        }
        match verdict.turn {
            None => {}
            // What has ended says all with its end.
            Some(Turn::Complete(_, _)) if self.steps.chain.has_ended() => {}
            Some(Turn::Complete(barrier, alignment)) => self.cut(barrier, alignment, None).await?,
            Some(Turn::Switch(barrier, alignment)) => {
                let (recording, recorded) = self.inputs.record();
                self.recording = Some(recording);
                self.looks_for_barriers = true;
                self.cut(barrier, alignment, Some(recorded)).await?;
            }
            Some(Turn::Recorded) => {
                if let Some(recording) = self.recording.take() {
                    recording.finish();
                }
            }
        }
        if self.aligner.recording().is_none() {
            self.recording = None;
        }
        Ok(())
    }

    async fn cut(
        &mut self,
        barrier: Arc<Barrier>,
        alignment: Duration,
        in_flight: Option<Recorded>,
    ) -> Result<(), Failure> {
        let cut = Cut {
            barrier,
            splits: Vec::new(),
            alignment,
            in_flight,
        };
        self.steps.pass(cut).await
    }

    /// Looks whether barriers have come into channels, or others have waited for too long, and lets those of a checkpoint that was taken
    /// already overtake the rows before them.
    async fn heed_barriers(&mut self) -> Result<(), Failure> {
        let announced = self.inbox.announced();
        if announced.is_some() || self.aligner.due().is_some() {
            let now = self.steps.clock.elapsed();
            let verdict = match &announced {
                Some(barrier) => self.aligner.announce(barrier, now),
                None => self.aligner.on_time(now),
            };
            self.follow(verdict).await?;
            self.looks_for_barriers |= announced.is_some();
        }
        let Some(checkpoint) = self.aligner.recording() else {
            return Ok(());
        };
        if !std::mem::take(&mut self.looks_for_barriers) {
            return Ok(());
        }
        let now = self.steps.clock.elapsed();
        for overtaken in self.inbox.overtake(checkpoint) {
            let Overtaken {
                channel,
                barrier,
                items,
            } = overtaken;
            if let Some(recording) = &mut self.recording {
                for item in items {
                    recording.add_item(channel, item);
                }
            }
            let verdict = self.aligner.on_barrier(channel, &barrier, now);
            self.follow(verdict).await?;
        }
        Ok(())
    }

    /// Does as the coordinator says.
    async fn hear(&mut self) -> Result<(), Failure> {
        let Some(commands) = self.steps.hear() else {
            return Ok(());
        };
        let verdict = self.aligner.abort(commands.aborted);
        self.follow(verdict).await
    }

    /// No message waits: does what is due, then waits for a message or for the next thing that is due.
    async fn pause(&mut self) -> Result<(), Failure> {
        let now = self.steps.clock.elapsed();
        self.steps.tick(now).await?;
        self.steps.outputs.pause(now).await?;
        self.steps.counters.activities.enter(Activity::Idle);
        let due = self.steps.due(now).into_iter().chain(self.aligner.due()).min();
        let clock = Arc::clone(&self.steps.clock);
        let sleep = async {
            match due {
                Some(due) => clock.sleep(due.saturating_sub(now)).await,
                None => pending().await,
            }
        };
        let Steps { lookups, taker, .. } = &mut self.steps;
        let answer = tokio::select! {
            () = self.inbox.wait() => None,
            answer = lookups.next() => Some(answer?),
            () = said(taker) => None,
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
