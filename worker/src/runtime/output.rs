//! What leaves a subtask: rows to the channels of other tasks, and to sinks.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use arrow_array::RecordBatch;
use futures::future::poll_immediate;
use weir_connector::Sink;
use weir_model::Failure;

use super::{
    commits::SinkCommits,
    inbox::{InboxSender, Item},
    message::{Barrier, Message},
    metrics::{Activities, Activity, SubtaskCounters},
    place::Place,
};
use crate::exchange::{
    coalesce::Coalescer,
    partition::{Partitioned, Partitioner},
    remote::RemoteSender,
};

/// How often a sink is flushed at most while its input pauses.
const SINK_FLUSH_INTERVAL: Duration = Duration::from_millis(100);

/// The sending end of a channel.
#[derive(Debug)]
pub enum Sender {
    /// To a subtask in this process: batches pass as they are.
    Local(InboxSender),
    /// To a subtask in another process.
    Remote(Box<RemoteSender>),
}

impl Sender {
    async fn send(&mut self, message: Message, activities: &Activities) -> Result<(), Failure> {
        match self {
            Self::Local(sender) => {
                let mut waiting = message;
                while let Err(message) = sender.try_send(waiting) {
                    waiting = message;
                    wait(activities, Activity::Backpressured, sender.room()).await;
                }
                Ok(())
            }
            Self::Remote(sender) => {
                if !sender.has_credit()? {
                    wait(activities, Activity::Backpressured, sender.credit()).await?;
                }
                sender.send(message)
            }
        }
    }

    /// Sends whether or not there is room.
    async fn force(&mut self, message: Message, activities: &Activities) -> Result<(), Failure> {
        match self {
            Self::Local(sender) => {
                let bytes = message.bytes();
                // Should the receiver have gone, its own failure is the one that is reported.
                let _ = sender.deliver(Item::Message(message), bytes);
                Ok(())
            }
            Self::Remote(sender) => {
                if !sender.is_open() {
                    wait(activities, Activity::Backpressured, sender.credit()).await?;
                }
                sender.send(message)
            }
        }
    }
}

/// Awaits; if that takes waiting at all, the time counts as `activity`.
pub async fn wait<T>(activities: &Activities, activity: Activity, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    if let Some(value) = poll_immediate(&mut future).await {
        return value;
    }
    activities.enter(activity);
    let value = future.await;
    activities.enter(Activity::Busy);
    value
}

/// How rows are spread over the channels of an edge.
#[derive(Debug)]
pub enum Spread {
    /// All to the one channel, as they are.
    Forward,
    /// Batches in turn.
    Rebalance {
        /// Whose turn it is.
        next: usize,
        /// Small batches gather before they go.
        gather: Coalescer,
    },
    /// By key group.
    Hash {
        /// Which row goes where.
        partitioner: Partitioner,
        /// Rows gather per destination.
        gather: Vec<Coalescer>,
    },
}

/// One subtask's end of an edge to another task.
#[derive(Debug)]
pub struct EdgeWriter {
    spread: Spread,
    channels: Vec<Sender>,
    linger: Duration,
}

impl EdgeWriter {
    /// A writer to these channels, in the order of the downstream subtasks. Rows wait for company at most for `linger`.
    pub fn new(spread: Spread, channels: Vec<Sender>, linger: Duration) -> Self {
        // With one destination there is nothing to split, so nothing to gather.
        let spread = if channels.len() == 1 {
            Spread::Forward
        } else {
            spread
        };
        Self {
            spread,
            channels,
            linger,
        }
    }

    async fn write(
        &mut self,
        message: Message,
        now: Duration,
        activities: &Activities,
    ) -> Result<(), Failure> {
        match message {
            Message::Batch(batch) => self.write_rows(batch, now, activities).await,
            control => {
                self.flush(activities).await?;
                for channel in &mut self.channels {
                    channel.send(control.clone(), activities).await?;
                }
                Ok(())
            }
        }
    }

    /// Sends a barrier, and before it the rows that have gathered, whether or not there is room: no more than a batch per channel.
    async fn force(&mut self, barrier: &Arc<Barrier>, activities: &Activities) -> Result<(), Failure> {
        let Self { spread, channels, .. } = self;
        match spread {
            Spread::Forward => {}
            Spread::Rebalance { next, gather } => {
                if let Some(batch) = gather.flush()? {
                    let turn = std::mem::replace(next, (*next + 1) % channels.len());
                    channels[turn].force(Message::Batch(batch), activities).await?;
                }
            }
            Spread::Hash { gather, .. } => {
                for (channel, gather) in channels.iter_mut().zip(gather) {
                    if let Some(batch) = gather.flush()? {
                        channel.force(Message::Batch(batch), activities).await?;
                    }
                }
            }
        }
        for channel in channels {
            let barrier = Message::Barrier(Arc::clone(barrier));
            channel.force(barrier, activities).await?;
        }
        Ok(())
    }

    async fn write_rows(
        &mut self,
        batch: RecordBatch,
        now: Duration,
        activities: &Activities,
    ) -> Result<(), Failure> {
        match &mut self.spread {
            Spread::Forward => self.channels[0].send(Message::Batch(batch), activities).await,
            Spread::Rebalance { next, gather } => {
                if let Some(batch) = gather.push_whole(batch, now)? {
                    let turn = std::mem::replace(next, (*next + 1) % self.channels.len());
                    self.channels[turn]
                        .send(Message::Batch(batch), activities)
                        .await?;
                }
                Ok(())
            }
            Spread::Hash { partitioner, gather } => match partitioner.partition(&batch)? {
                Partitioned::One(to) => {
                    if let Some(batch) = gather[to].push_whole(batch, now)? {
                        self.channels[to].send(Message::Batch(batch), activities).await?;
                    }
                    Ok(())
                }
                Partitioned::Spread(rows) => {
                    for (to, rows) in rows.iter().enumerate() {
                        if let Some(batch) = gather[to].push(&batch, rows, now)? {
                            self.channels[to].send(Message::Batch(batch), activities).await?;
                        }
                    }
                    Ok(())
                }
            },
        }
    }

    /// When the first rows have waited long enough; none if none wait.
    fn due(&self) -> Option<Duration> {
        let since = match &self.spread {
            Spread::Forward => None,
            Spread::Rebalance { gather, .. } => gather.since(),
            Spread::Hash { gather, .. } => gather.iter().filter_map(Coalescer::since).min(),
        };
        since.map(|since| since + self.linger)
    }

    async fn flush_due(&mut self, now: Duration, activities: &Activities) -> Result<(), Failure> {
        let linger = self.linger;
        self.flush_where(
            |gather| gather.since().is_some_and(|since| since + linger <= now),
            activities,
        )
        .await
    }

    async fn flush(&mut self, activities: &Activities) -> Result<(), Failure> {
        self.flush_where(|_| true, activities).await
    }

    async fn flush_where(
        &mut self,
        chosen: impl Fn(&Coalescer) -> bool,
        activities: &Activities,
    ) -> Result<(), Failure> {
        match &mut self.spread {
            Spread::Forward => {}
            Spread::Rebalance { next, gather } => {
                if chosen(gather)
                    && let Some(batch) = gather.flush()?
                {
                    let turn = std::mem::replace(next, (*next + 1) % self.channels.len());
                    self.channels[turn]
                        .send(Message::Batch(batch), activities)
                        .await?;
                }
            }
            Spread::Hash { gather, .. } => {
                for (to, gather) in gather.iter_mut().enumerate() {
                    if chosen(gather)
                        && let Some(batch) = gather.flush()?
                    {
                        self.channels[to].send(Message::Batch(batch), activities).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// One subtask's writer of a sink.
pub struct SinkWriter {
    sink: Box<dyn Sink>,
    commits: Arc<SinkCommits>,
    takes_checkpoints: bool,
    node: usize,
    dirty: bool,
    flushed: Duration,
}

impl SinkWriter {
    /// Writes what the operator at a position of the chain passes on. Without checkpoints, it commits by itself.
    pub fn new(sink: Box<dyn Sink>, commits: Arc<SinkCommits>, takes_checkpoints: bool, node: usize) -> Self {
        Self {
            sink,
            commits,
            takes_checkpoints,
            node,
            dirty: false,
            flushed: Duration::ZERO,
        }
    }

    async fn write(&mut self, message: Message, activities: &Activities) -> Result<(), Failure> {
        match message {
            Message::Batch(batch) => {
                self.dirty = true;
                wait(activities, Activity::Backpressured, self.sink.write(batch)).await?;
            }
            Message::End => wait(activities, Activity::Backpressured, self.finish()).await?,
            Message::Watermark(_) | Message::Idle | Message::Barrier(_) => {}
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        let commits = self.sink.finish().await?;
        if !self.takes_checkpoints {
            return self.commits.commit_now(&commits).await;
        }
        self.commits.finish(commits);
        Ok(())
    }

    fn due(&self) -> Option<Duration> {
        self.dirty.then(|| self.flushed + SINK_FLUSH_INTERVAL)
    }

    async fn flush_due(&mut self, now: Duration, activities: &Activities) -> Result<(), Failure> {
        if self.due().is_some_and(|due| due <= now) {
            self.dirty = false;
            self.flushed = now;
            wait(activities, Activity::Backpressured, self.sink.flush()).await?;
        }
        Ok(())
    }
}

/// A way out of a subtask.
pub enum Leaf {
    /// To another task.
    Edge(EdgeWriter),
    /// To the world.
    Sink(SinkWriter),
}

/// All ways out of a subtask.
pub struct Outputs {
    leaves: Vec<Leaf>,
    counters: Arc<SubtaskCounters>,
    place: Arc<Place>,
}

impl Outputs {
    /// These ways out, by their numbers in the chain.
    pub fn new(leaves: Vec<Leaf>, counters: Arc<SubtaskCounters>, place: Arc<Place>) -> Self {
        Self {
            leaves,
            counters,
            place,
        }
    }

    /// Writes a message to a way out; waits while there is no room.
    pub async fn write(&mut self, leaf: usize, message: Message, now: Duration) -> Result<(), Failure> {
        let activities = &self.counters.activities;
        match &mut self.leaves[leaf] {
            Leaf::Edge(edge) => edge.write(message, now, activities).await,
            Leaf::Sink(sink) => {
                self.place.enter(sink.node);
                sink.write(message, activities).await?;
                self.place.leave();
                Ok(())
            }
        }
    }

    /// Sends a barrier to other tasks, behind all rows that were written. One that is hasty does not wait for room.
    pub async fn pass(
        &mut self,
        barrier: &Arc<Barrier>,
        is_hasty: bool,
        now: Duration,
    ) -> Result<(), Failure> {
        let activities = &self.counters.activities;
        for leaf in &mut self.leaves {
            match leaf {
                Leaf::Edge(edge) if is_hasty => edge.force(barrier, activities).await?,
                Leaf::Edge(edge) => {
                    let barrier = Message::Barrier(Arc::clone(barrier));
                    edge.write(barrier, now, activities).await?;
                }
                Leaf::Sink(_) => {}
            }
        }
        Ok(())
    }

    /// Has sinks make durable what was written to them. Returns what each has to commit with this checkpoint, by its position in the chain.
    pub async fn prepare(&mut self, checkpoint: u64) -> Result<Vec<(usize, Vec<String>)>, Failure> {
        let mut commits = Vec::new();
        for leaf in &mut self.leaves {
            if let Leaf::Sink(writer) = leaf {
                self.place.enter(writer.node);
                let preparing = writer.sink.prepare(checkpoint);
                let prepared = wait(&self.counters.activities, Activity::Backpressured, preparing).await?;
                writer.dirty = false;
                commits.push((writer.node, writer.commits.prepare(checkpoint, prepared)));
                self.place.leave();
            }
        }
        Ok(commits)
    }

    /// What each sink has yet to commit, by its position in the chain.
    pub fn commits(&self) -> Vec<(usize, Vec<String>)> {
        let sinks = self.leaves.iter().filter_map(|leaf| match leaf {
            Leaf::Edge(_) => None,
            Leaf::Sink(writer) => Some((writer.node, writer.commits.pending())),
        });
        sinks.collect()
    }

    /// When something must be done although no message came: the linger of rows that wait, or a sink's flush.
    pub fn due(&self) -> Option<Duration> {
        let due = self.leaves.iter().filter_map(|leaf| match leaf {
            Leaf::Edge(edge) => edge.due(),
            Leaf::Sink(sink) => sink.due(),
        });
        due.min()
    }

    /// Sends rows that have waited long enough.
    pub async fn send_due(&mut self, now: Duration) -> Result<(), Failure> {
        for leaf in &mut self.leaves {
            if let Leaf::Edge(edge) = leaf {
                edge.flush_due(now, &self.counters.activities).await?;
            }
        }
        Ok(())
    }

    /// Input pauses: sends rows that have waited long enough and flushes sinks that were not flushed for a while.
    pub async fn pause(&mut self, now: Duration) -> Result<(), Failure> {
        self.send_due(now).await?;
        for leaf in &mut self.leaves {
            if let Leaf::Sink(sink) = leaf {
                self.place.enter(sink.node);
                sink.flush_due(now, &self.counters.activities).await?;
                self.place.leave();
            }
        }
        Ok(())
    }
}
