//! The loop of a source subtask: reads its splits, and says how far event time has come.

use std::{collections::VecDeque, future::pending, pin::pin, sync::Arc, time::Duration};

use arrow_array::RecordBatch;
use futures::future::poll_immediate;
use weir_connector::{
    ConnectorError, Source, SourceContext, SourceEvent, Split, connector,
    dead_letter::{self, DeadLetters},
};
use weir_functions::chance::Bits;
use weir_model::{EventTime, Failure};
use weir_proto::{graph::operator::Spec, schema};

use super::{
    Steps, YIELD_EVERY,
    alignment::Member,
    checkpoint::{Cut, said},
    commands::{After, Commands, Trigger},
    message::Message,
    metrics::Activity,
    news::Last,
    node::Target,
    place::Place,
    plan::{self, DEAD_LETTERS, TaskPlan},
    splits::Splits,
    subtask::{Job, settings, table},
    time_teller::TimeTeller,
};
use crate::operator::{
    Context,
    source::{self, SourceStage},
};

/// Where everything that a source says enters the chain: its own node.
const ENTRY: Target = Target::Node {
    node: 0,
    port: 0,
    input: 0,
};

/// A subtask whose operators are fed by a source.
pub struct SourceTask {
    source: Box<dyn Source>,
    reader: Reader,
    /// Nothing is read any more: the job is about to be stopped.
    is_suspended: bool,
    /// How many events are read from one checkpoint to the next; none: any number.
    pace: Option<u32>,
    /// How many have been since the last one.
    events: u32,
    /// Where the splits stood at the barriers of checkpoints that are not known to be complete.
    begun: VecDeque<(u64, Vec<Split>)>,
    /// The newest checkpoint that is known to be.
    completed: u64,
}

/// Positions of no more checkpoints are remembered: without word of any it is the newest that counts.
const MAX_BEGUN: usize = 16;

/// What is done with what a source yields.
struct Reader {
    splits: Splits,
    /// The newest checkpoint that was begun.
    begun: u64,
    stage: SourceStage,
    context: Context,
    time: TimeTeller,
    steps: Steps,
    place: Arc<Place>,
    /// Records that could not be read, if the job sends them elsewhere.
    dead_letters: Option<Arc<DeadLetters>>,
    /// Its place among the sources that keep together.
    member: Option<Member>,
    /// It waits for others of those.
    is_held: bool,
}

/// Opens the source at the head of a task, to read these splits of all that are known.
pub async fn open(
    job: &Job,
    plan: &TaskPlan,
    subtask: u32,
    (splits, known_splits): (Splits, Arc<[String]>),
    steps: Steps,
    place: Arc<Place>,
) -> Result<SourceTask, Failure> {
    let operator = &job.graph.operators[plan.operators[0] as usize];
    let Some(Spec::Source(spec)) = &operator.spec else {
        return Err(Failure::internal(format!(
            "task {} has neither input nor a source",
            plan.task
        )));
    };
    let table = table(spec.table.as_ref(), &job.secrets)?;
    let mut factory = connector(&table.connector)
        .and_then(|c| c.source(&table))
        .map_err(|e| Failure::user(e.to_string()))?;
    let scan_schema = schema::decode(&spec.scan_schema)
        .map_err(|e| Failure::internal(format!("the scan schema of '{}' cannot be read: {e}", table.name)))?;
    let to_read = splits.to_read();
    let output = plan::output_schema(operator)?;
    factory.push_filter(source::comparisons(spec, &output)?);
    let mut stage = SourceStage::new(spec, output, to_read.len())?;
    if factory.discovers() {
        stage.await_splits();
    }
    splits.restore(&mut stage);
    let settings = settings(&job.graph);
    let dead_letters = plan::has_dead_letters(&job.graph, operator.id).then(Arc::default);
    let context = SourceContext {
        known_splits,
        schema: scan_schema,
        batch_rows: settings.batch_rows.max(1) as usize,
        subtask,
        parallelism: operator.parallelism,
        takes_checkpoints: job.checkpoints.is_some(),
        clock: Arc::clone(&job.clock),
        counters: Arc::clone(&steps.counters.operators[0].source),
        dead_letters: dead_letters.clone(),
    };
    let source = factory.open(to_read, context).await?;
    let watermark = spec.watermark.as_ref();
    let interval = match watermark.and_then(|watermark| watermark.every_rows) {
        Some(_) => Duration::ZERO,
        None => Duration::from_millis(settings.auto_watermark_interval_ms),
    };
    let time = TimeTeller::new(interval, stage.idle_timeout(), watermark.is_some());
    let aligned = watermark.and_then(|watermark| watermark.alignment.as_ref());
    let member = aligned.map(|a| job.alignment.join(&a.group, a.max_drift_ms));
    let context = Context {
        // Another one than the operators'.
        chance: Bits(!job.chance(plan.task, subtask).next()),
        ..Context::default()
    };
    Ok(SourceTask {
        source,
        is_suspended: false,
        pace: None,
        events: 0,
        begun: VecDeque::new(),
        completed: 0,
        reader: Reader {
            splits,
            begun: 0,
            stage,
            context,
            time,
            steps,
            place,
            dead_letters,
            member,
            is_held: false,
        },
    })
}

impl SourceTask {
    /// Runs until all splits have ended. Returns what is left of it, if checkpoints are taken.
    pub async fn run(mut self) -> Result<Option<Last>, Failure> {
        self.reader.steps.counters.activities.enter(Activity::Busy);
        self.reader.steps.begin().await?;
        let mut since_yield = 0;
        loop {
            if let Some(commands) = self.reader.steps.hear() {
                self.obey(commands).await?;
            }
            if self.is_suspended || self.pace.is_some_and(|pace| self.events >= pace) {
                self.reader.rest(self.is_suspended).await?;
                continue;
            }
            let Some(event) = self.reader.next(self.source.as_mut()).await? else {
                continue;
            };
            self.events += 1;
            if self.reader.on_event(event).await? {
                let splits = self
                    .reader
                    .splits
                    .state(self.source.as_ref(), &self.reader.stage)?;
                return self.reader.steps.last(splits).await;
            }
            self.reader.steps.say_more()?;
            since_yield += 1;
            if since_yield == YIELD_EVERY {
                since_yield = 0;
                tokio::task::yield_now().await;
            }
        }
    }
}

impl SourceTask {
    /// Does as the coordinator says: begins a checkpoint that is new.
    async fn obey(&mut self, commands: Commands) -> Result<(), Failure> {
        self.pace = commands.pace;
        self.tell_complete(commands.completed).await;
        if commands.aborted >= self.reader.begun {
            // The savepoint that it stopped for comes to nothing: the job goes on.
            self.is_suspended = false;
        }
        let Some(Trigger { barrier, after }) = commands.trigger else {
            return Ok(());
        };
        if barrier.checkpoint <= self.reader.begun || barrier.checkpoint <= commands.aborted {
            return Ok(());
        }
        self.reader.begun = barrier.checkpoint;
        let now = self.reader.steps.clock.elapsed();
        if after == After::Drain && self.reader.time.has_event_time {
            self.reader.say(Message::Watermark(EventTime::MAX), now).await?;
        }
        self.is_suspended = after != After::GoOn;
        self.events = 0;
        let splits = self
            .reader
            .splits
            .state(self.source.as_ref(), &self.reader.stage)?;
        if self.begun.len() == MAX_BEGUN {
            self.begun.pop_front();
        }
        self.begun
            .push_back((barrier.checkpoint, self.source.positions()));
        let cut = Cut {
            barrier,
            splits,
            alignment: Duration::ZERO,
            in_flight: None,
        };
        self.reader.steps.pass(cut).await
    }

    /// Tells the source where it stood at the barrier of the newest checkpoint that is complete, once.
    async fn tell_complete(&mut self, completed: u64) {
        if completed <= self.completed {
            return;
        }
        self.completed = completed;
        let is_older = |(checkpoint, _): &(u64, Vec<Split>)| *checkpoint <= completed;
        let mut newest = None;
        while self.begun.front().is_some_and(is_older) {
            newest = self.begun.pop_front();
        }
        if let Some((checkpoint, positions)) = newest
            && checkpoint == completed
        {
            self.source.on_checkpoint_complete(&positions).await;
        }
    }
}

impl Reader {
    /// The next event; while the source has none, does what is due. None: the coordinator has said something.
    async fn next(&mut self, source: &mut dyn Source) -> Result<Option<SourceEvent>, Failure> {
        if !self.keep_together().await? {
            return Ok(None);
        }
        self.place.enter(0);
        let mut next = pin!(source.next());
        if let Some(event) = poll_immediate(&mut next).await {
            return located(event).map(Some);
        }
        loop {
            let now = self.steps.clock.elapsed();
            self.on_pause(now).await?;
            self.steps.counters.activities.enter(Activity::Idle);
            let due = self.steps.due(now).into_iter().chain(self.time.due()).min();
            let clock = Arc::clone(&self.steps.clock);
            let sleep = async {
                match due {
                    Some(due) => clock.sleep(due.saturating_sub(now)).await,
                    None => pending().await,
                }
            };
            self.place.enter(0);
            let Steps { lookups, taker, .. } = &mut self.steps;
            let came = tokio::select! {
                event = &mut next => Some(Came::Event(event)),
                answer = lookups.next() => Some(Came::Answer(answer?)),
                () = said(taker) => Some(Came::Word),
                () = sleep => None,
            };
            self.steps.counters.activities.enter(Activity::Busy);
            match came {
                Some(Came::Event(event)) => return located(event).map(Some),
                Some(Came::Word) => return Ok(None),
                Some(Came::Answer((node, messages))) => {
                    let now = self.steps.clock.elapsed();
                    self.steps.on_answer(node, messages, now).await?;
                }
                None => {}
            }
        }
    }

    /// Reads nothing until the coordinator says something; does what is due.
    ///
    /// A source that is suspended says nothing of time either: what came of that would not be in the savepoint, and come again.
    async fn rest(&mut self, is_suspended: bool) -> Result<(), Failure> {
        let now = self.steps.clock.elapsed();
        if is_suspended {
            self.steps.say_more()?;
            self.steps.outputs.pause(now).await?;
        } else {
            self.on_pause(now).await?;
        }
        self.steps.counters.activities.enter(Activity::Idle);
        let due = self.steps.due(now);
        let clock = Arc::clone(&self.steps.clock);
        let Steps { lookups, taker, .. } = &mut self.steps;
        let answer = tokio::select! {
            () = said(taker) => None,
            answer = lookups.next() => Some(answer?),
            () = async { match due {
                Some(due) => clock.sleep(due.saturating_sub(now)).await,
                None => pending().await,
            } } => None,
        };
        self.steps.counters.activities.enter(Activity::Busy);
        if let Some((node, messages)) = answer {
            let now = self.steps.clock.elapsed();
            self.steps.on_answer(node, messages, now).await?;
        }
        Ok(())
    }

    /// Handles an event; returns whether it was the end.
    async fn on_event(&mut self, event: SourceEvent) -> Result<bool, Failure> {
        let now = self.steps.clock.elapsed();
        self.send_dead_letters(now).await?;
        match event {
            SourceEvent::Rows { split, batch } => {
                self.steps.counters.operators[0].add_in(batch.num_rows());
                self.on_rows(split, batch, now).await?;
            }
            SourceEvent::SplitAdded { split } => {
                self.stage.on_split_added();
                self.splits.add(split);
                self.time.stirred = true;
            }
            SourceEvent::SplitEnd { split } => {
                self.stage.on_split_end(split);
                self.splits.on_end(split);
                self.time.stirred = true;
            }
            SourceEvent::End => {
                if self.time.has_event_time {
                    self.say(Message::Watermark(EventTime::MAX), now).await?;
                }
                self.say(Message::End, now).await?;
                self.steps.drain().await?;
                return Ok(true);
            }
        }
        self.tell_time(now).await?;
        if let Some(member) = &mut self.member {
            member.tell(self.stage.watermark().held_back_by());
        }
        Ok(false)
    }

    /// Sends on the records that could not be read and belong to the event that has come.
    async fn send_dead_letters(&mut self, now: Duration) -> Result<(), Failure> {
        let letters = self.dead_letters.as_ref().map(|letters| letters.take());
        let Some(letters) = letters.filter(|letters| !letters.is_empty()) else {
            return Ok(());
        };
        let batch = dead_letter::batch(&letters, self.steps.clock.now_ms())
            .map_err(|error| Failure::internal(format!("dead letters do not make a batch: {error}")))?;
        self.steps.put_out(DEAD_LETTERS, batch, now).await
    }

    /// Rows of a split: what the operators have to see of them, with the watermarks between.
    async fn on_rows(&mut self, split: usize, batch: RecordBatch, now: Duration) -> Result<(), Failure> {
        if self.stage.is_surrounded() {
            self.context.now_ms = self.context.now_ms.max(self.steps.clock.now_ms());
            self.context.reached = self.time.said;
        }
        self.place.enter(0);
        self.stage.on_rows(split, batch, &mut self.context)?;
        loop {
            self.time.stirred = true;
            for batch in std::mem::take(&mut self.context.emitted) {
                self.steps.feed_at(ENTRY, Message::Batch(batch), now).await?;
            }
            if !self.stage.has_more() {
                return Ok(());
            }
            self.tell_time(now).await?;
            self.place.enter(0);
            self.stage.go_on(&mut self.context)?;
        }
    }

    /// Waits while it is too far ahead of the sources that it keeps together with. Returns whether it may read: else the coordinator
    /// has said something.
    async fn keep_together(&mut self) -> Result<bool, Failure> {
        while self.member.as_mut().is_some_and(|member| !member.may_read()) {
            self.is_held = true;
            let now = self.steps.clock.elapsed();
            self.on_pause(now).await?;
            let due = self.steps.due(now).into_iter().chain(self.time.due()).min();
            let Some(member) = &mut self.member else { break };
            let clock = Arc::clone(&self.steps.clock);
            let sleep = async {
                match due {
                    Some(due) => clock.sleep(due.saturating_sub(now)).await,
                    None => pending().await,
                }
            };
            self.steps.counters.activities.enter(Activity::Backpressured);
            let has_word = tokio::select! {
                () = member.moved() => false,
                () = said(&mut self.steps.taker) => true,
                () = sleep => false,
            };
            self.steps.counters.activities.enter(Activity::Busy);
            if has_word {
                return Ok(false);
            }
        }
        if std::mem::take(&mut self.is_held) {
            self.stage.restart_silence();
        }
        Ok(true)
    }

    async fn on_pause(&mut self, now: Duration) -> Result<(), Failure> {
        self.tell_time(now).await?;
        self.steps.tick(now).await?;
        self.steps.outputs.pause(now).await
    }

    /// Says how far event time has come, if it is time to.
    async fn tell_time(&mut self, now: Duration) -> Result<(), Failure> {
        if self.time.tick_is_due(now) {
            if self.is_held {
                // Nobody listens to its splits: they are not silent.
                self.stage.restart_silence();
            }
            self.stage.on_tick(now);
            if let Some(member) = &mut self.member {
                member.tell(self.stage.watermark().held_back_by());
            }
        }
        for message in self.time.news(self.stage.watermark(), now) {
            self.say(message, now).await?;
        }
        Ok(())
    }

    async fn say(&mut self, message: Message, now: Duration) -> Result<(), Failure> {
        if let Message::Watermark(watermark) = message {
            self.steps.counters.set_watermark(watermark);
        }
        self.steps.feed_at(ENTRY, message, now).await
    }
}

/// What a source subtask has waited for.
enum Came {
    Event(Result<SourceEvent, ConnectorError>),
    Answer((usize, Vec<Message>)),
    /// Of the coordinator.
    Word,
}

fn located(event: Result<SourceEvent, ConnectorError>) -> Result<SourceEvent, Failure> {
    event.map_err(Failure::from)
}
