//! Runs subtasks: wires them, feeds their operators, merges event time, counts.
//!
//! - [`message`]: what travels on a channel. Leans on nothing.
//! - [`inbox`]: bounded channels into a subtask. Leans on `message`.
//! - [`watermark`]: merges the event time of several inputs. Leans on nothing.
//! - [`alignment`]: sources that keep together in event time. Leans on nothing.
//! - [`metrics`]: what a subtask counts. Leans on nothing.
//! - [`plan`]: tasks and channels of a job graph. Leans on nothing.
//! - [`late`]: the late rows of operators. Leans on nothing.
//! - [`place`]: the operator that runs, by name. Leans on nothing.
//! - [`node`]: one operator of a chain. Leans on `message`, `watermark`, `metrics` and `late`.
//! - [`chain`]: the operators of a subtask, run by direct calls. Leans on `node` and `place`.
//! - [`output`]: what leaves a subtask. Leans on `inbox` and the exchange.
//! - [`commits`]: what sinks have prepared. Leans on nothing.
//! - [`news`]: what a subtask tells of itself. Leans on nothing.
//! - [`align`]: barriers that wait for each other. Leans on `message`.
//! - [`splits`]: the splits of a source as checkpoints keep them. Leans on nothing.
//! - [`in_flight`]: rows in flight in unaligned checkpoints. Leans on `inbox`, `plan` and the exchange.
//! - [`commands`]: what the coordinator of checkpoints says. Leans on `message`.
//! - [`checkpoint`]: one subtask's part in checkpoints. Leans on `chain`, `commands`, `news`, `in_flight` and the state backend.
//! - [`lookup`]: rows on their way to a table outside and back. Leans on `message`.
//! - `time_teller`: when a source speaks about time. Leans on `message`.
//! - `wiring`: where the rows of a subtask come from and go to. Leans on `chain`, `late` and `plan`.
//! - `sink`: opens sinks. Leans on `output` and `commits`.
//! - [`input`], [`source`]: the loops of subtasks. Lean on `chain` and `output`.
//! - [`subtask`]: one subtask from its parts to its end. Leans on all of the above.
//! - [`tables`]: the tables of state that operators keep, without running them. Leans on `wiring`.
//! - [`deployment`]: the subtasks of one job in this process. Leans on `subtask` and the exchange.
//! - [`compute`]: the threads that tasks run on. Leans on nothing.

pub mod align;
pub mod alignment;
pub mod chain;
pub mod checkpoint;
pub mod commands;
pub mod commits;
pub mod compute;
pub mod deployment;
pub mod in_flight;
pub mod inbox;
pub mod input;
pub mod late;
pub mod lookup;
pub mod message;
pub mod metrics;
pub mod news;
pub mod node;
pub mod output;
pub mod place;
pub mod plan;
mod sink;
pub mod source;
pub mod splits;
pub mod subtask;
pub mod tables;
mod time_teller;
pub mod watermark;
mod wiring;

use std::{sync::Arc, time::Duration};

use arrow_array::RecordBatch;
use weir_checkpoint::manifest::SplitState;
use weir_env::Clock;
use weir_model::Failure;

use chain::Chain;
use checkpoint::{Cut, Position, Taker};
use commands::Commands;
use lookup::Lookups;
use message::Message;
use metrics::{Activity, SubtaskCounters};
use news::Last;
use node::Target;
use output::{Outputs, wait};

/// Messages after which a task lets others run: a few milliseconds of work.
const YIELD_EVERY: u32 = 4;

/// What every task does with a message, wherever it comes from.
pub struct Steps {
    /// The operators.
    pub chain: Chain,
    /// The ways out.
    pub outputs: Outputs,
    /// The ways to tables outside and back.
    pub lookups: Lookups,
    /// What takes checkpoints, if any are taken.
    pub taker: Option<Taker>,
    /// What is counted.
    pub counters: Arc<SubtaskCounters>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// It goes on from a checkpoint.
    pub is_restored: bool,
    /// The rows that were in flight there, and where they enter the chain.
    pub in_flight: Vec<(Target, RecordBatch)>,
}

impl Steps {
    /// Takes up what was in flight in the checkpoint that it goes on from. Before anything else.
    pub async fn begin(&mut self) -> Result<(), Failure> {
        if self.is_restored {
            self.chain.say_time_again();
        }
        for (target, rows) in std::mem::take(&mut self.in_flight) {
            self.feed(target, Message::Batch(rows)).await?;
        }
        let now = self.clock.elapsed();
        self.write(now).await
    }

    /// Runs a message through the operators and writes what comes out.
    pub async fn feed(&mut self, target: Target, message: Message) -> Result<(), Failure> {
        let now = self.clock.elapsed();
        self.feed_at(target, message, now).await
    }

    /// The same at a time that was read already.
    pub async fn feed_at(&mut self, target: Target, message: Message, now: Duration) -> Result<(), Failure> {
        if self.chain.is_timed() {
            self.chain.tick(self.clock.now_ms())?;
        }
        self.chain.feed(target, message)?;
        self.write(now).await
    }

    /// Has the first operator of the chain put rows out by an output that is not its rows'.
    pub async fn put_out(&mut self, output: usize, batch: RecordBatch, now: Duration) -> Result<(), Failure> {
        self.chain.put_out(output, batch)?;
        self.write(now).await
    }

    /// Lets operators say more of what a checkpoint is to have of their state, if there is more.
    pub fn say_more(&mut self) -> Result<(), Failure> {
        match &mut self.taker {
            Some(taker) if self.chain.is_frozen() => taker.say_more(&mut self.chain),
            _ => Ok(()),
        }
    }

    /// Does what operators wanted to do by now.
    pub async fn tick(&mut self, now: Duration) -> Result<(), Failure> {
        self.say_more()?;
        if self.chain.is_timed() {
            self.chain.tick(self.clock.now_ms())?;
            self.write(now).await?;
        }
        Ok(())
    }

    /// When there is something to do although no message comes: rows to send, or a time that an operator waits for.
    pub fn due(&self, now: Duration) -> Option<Duration> {
        if self.chain.is_frozen() {
            return Some(now);
        }
        let timer = self.chain.timer_ms().map(|timer| {
            let ahead = timer.saturating_sub(self.clock.now_ms()).max(0).unsigned_abs();
            now.saturating_add(Duration::from_millis(ahead))
        });
        self.outputs.due().into_iter().chain(timer).min()
    }

    /// Takes on what has come back from a table outside.
    pub async fn on_answer(
        &mut self,
        node: usize,
        messages: Vec<Message>,
        now: Duration,
    ) -> Result<(), Failure> {
        self.chain.answer(node, messages)?;
        self.write(now).await
    }

    /// Waits until everything has come back from tables outside.
    pub async fn drain(&mut self) -> Result<(), Failure> {
        while !self.lookups.is_empty() {
            let next = self.lookups.next();
            let (node, messages) = wait(&self.counters.activities, Activity::Backpressured, next).await?;
            let now = self.clock.elapsed();
            self.on_answer(node, messages, now).await?;
        }
        Ok(())
    }

    /// Passes a barrier: what came before it is on its way or in the state that is taken here.
    pub async fn pass(&mut self, cut: Cut) -> Result<(), Failure> {
        self.drain().await?;
        self.chain.prepare()?;
        let now = self.clock.elapsed();
        self.write(now).await?;
        self.drain().await?;
        // Those that follow can align while this one takes its state.
        let is_hasty = self
            .taker
            .as_ref()
            .is_some_and(|taker| taker.is_hasty(&cut.barrier));
        self.outputs.pass(&cut.barrier, is_hasty, now).await?;
        let since = self.clock.elapsed();
        let commits = self.outputs.prepare(cut.barrier.checkpoint).await?;
        let Some(taker) = &mut self.taker else {
            return Ok(());
        };
        taker.take(&mut self.chain, cut, commits, since)
    }

    /// What the coordinator has said, if it has said anything since.
    pub fn hear(&mut self) -> Option<Commands> {
        self.taker.as_mut()?.hear()
    }

    /// What is left when everything has ended; `splits` are its source's.
    pub async fn last(&mut self, splits: Vec<SplitState>) -> Result<Option<Last>, Failure> {
        let Some(taker) = &mut self.taker else {
            return Ok(None);
        };
        taker.settle(&mut self.chain).await?;
        let commits = self.outputs.commits();
        Ok(Some(taker.last(&self.chain, Position { splits, commits })))
    }

    async fn write(&mut self, now: Duration) -> Result<(), Failure> {
        loop {
            while let Some((target, message)) = self.chain.next_out() {
                match target {
                    Target::Leaf(leaf) => self.outputs.write(leaf, message, now).await?,
                    Target::Table(node) => self.ask(node, message).await?,
                    Target::Node { .. } => return Err(Failure::internal("a message left for an operator")),
                }
            }
            match self.lookups.try_next()? {
                Some((node, messages)) => self.chain.answer(node, messages)?,
                None if self.chain.go_on()? => {}
                None => break,
            }
        }
        self.outputs.send_due(now).await
    }

    /// Sends a message on its way to a table outside; while there is no room, waits for what comes back.
    async fn ask(&mut self, node: usize, message: Message) -> Result<(), Failure> {
        self.lookups.push(node, message)?;
        while self.lookups.is_full() {
            let next = self.lookups.next();
            let (node, messages) = wait(&self.counters.activities, Activity::Backpressured, next).await?;
            self.chain.answer(node, messages)?;
        }
        Ok(())
    }
}
