//! The operators of one subtask, run by direct calls.
//!
//! A message enters at an operator; what the operator emits goes on to the next ones before the next message enters.
//! What leaves the subtask (to sinks and to other tasks) is put out in order, for the task to write. Nothing in here
//! waits.
//!
//! - `state`: what checkpoints have of the operators' state. Leans on the state of operators.

mod state;

use std::{collections::VecDeque, sync::Arc};

use arrow_array::RecordBatch;
use weir_functions::chance::Bits;
use weir_model::{EventTime, Failure};

use super::{
    message::Message,
    node::{Node, Outlet, ROWS, Target, Telling, merge, on_batch, take_emitted, tell},
    place::Place,
};
use crate::operator::Context;
use state::Frozen;

/// What leaves the chain before it is written: more only if an operator emits it at once.
const LEAVING: usize = 16;

/// What is to be done next.
enum Work {
    /// A message on its way.
    Message(Target, Message),
    /// An operator, by position, that has more to emit.
    Telling(usize, Telling),
}

/// The operators of one subtask.
pub struct Chain {
    nodes: Vec<Node>,
    place: Arc<Place>,
    work: Vec<Work>,
    /// What an operator says, with the output that it says it by.
    said: Vec<(usize, Message)>,
    context: Context,
    out: VecDeque<(Target, Message)>,
    running: usize,
    /// The operators that ask for the time.
    timed: Vec<usize>,
    /// What a checkpoint is to have of their state.
    frozen: Option<Frozen>,
    /// An operator writes state of its own accord, which it may not while others have something to say.
    writes: bool,
}

impl Chain {
    /// A chain of these operators; targets of each lie behind it.
    pub fn new(nodes: Vec<Node>, place: Arc<Place>) -> Self {
        Self {
            running: nodes.len(),
            timed: (0..nodes.len()).filter(|&node| nodes[node].is_timed()).collect(),
            nodes,
            place,
            work: Vec::new(),
            said: Vec::new(),
            context: Context::default(),
            out: VecDeque::new(),
            frozen: None,
            writes: false,
        }
    }

    /// The same, with what functions of chance begin with.
    #[must_use]
    pub fn with_chance(mut self, chance: Bits) -> Self {
        self.context.chance = chance;
        self
    }

    /// Whether an operator asks for the time.
    pub fn is_timed(&self) -> bool {
        !self.timed.is_empty()
    }

    /// When an operator wants to be told the time, ms since 1970.
    pub fn timer_ms(&self) -> Option<i64> {
        let timers = self
            .timed
            .iter()
            .filter_map(|&node| self.nodes[node].operator.as_ref()?.timer_ms());
        timers.min()
    }

    /// Tells operators the time, ms since 1970, and runs those that wanted it.
    pub fn tick(&mut self, now_ms: i64) -> Result<(), Failure> {
        self.context.now_ms = self.context.now_ms.max(now_ms);
        for i in 0..self.timed.len() {
            let index = self.timed[i];
            let node = &mut self.nodes[index];
            let Some(operator) = &mut node.operator else {
                continue;
            };
            if operator
                .timer_ms()
                .is_some_and(|timer| timer <= self.context.now_ms)
            {
                self.place.enter(index);
                operator.on_processing_time(&mut self.context)?;
                take_emitted(node, &mut self.context, &mut self.said);
                self.hand_on(index);
                self.run_above(0)?;
            }
        }
        Ok(())
    }

    /// Runs a message through all operators that it reaches, or until much is leaving: then it is to [go on](Self::go_on) when that has left.
    pub fn feed(&mut self, target: Target, message: Message) -> Result<(), Failure> {
        self.work.push(Work::Message(target, message));
        self.go_on().map(drop)
    }

    /// Goes on with the message that was fed; returns whether there was anything left to do.
    pub fn go_on(&mut self) -> Result<bool, Failure> {
        if self.work.is_empty() {
            return Ok(false);
        }
        self.run_until(0, LEAVING)?;
        Ok(true)
    }

    /// Runs what has been put on top of so much work, all of it.
    fn run_above(&mut self, depth: usize) -> Result<(), Failure> {
        self.run_until(depth, usize::MAX)
    }

    fn run_until(&mut self, depth: usize, leaving: usize) -> Result<(), Failure> {
        while self.work.len() > depth && self.out.len() < leaving {
            match self.work.pop() {
                Some(Work::Message(Target::Node { node, port, input }, message)) => {
                    self.place.enter(node);
                    self.step(node, port, input, message)?;
                }
                Some(Work::Message(target, message)) => self.out.push_back((target, message)),
                Some(Work::Telling(node, telling)) => {
                    self.place.enter(node);
                    self.tell(node, telling)?;
                }
                None => {}
            }
        }
        self.place.leave();
        Ok(())
    }

    /// The next message that leaves the chain, with where to.
    pub fn next_out(&mut self) -> Option<(Target, Message)> {
        self.out.pop_front()
    }

    /// Has the first operator put rows out by that output, and runs them through all operators behind.
    pub fn put_out(&mut self, output: usize, batch: RecordBatch) -> Result<(), Failure> {
        self.said.push((output, Message::Batch(batch)));
        let depth = self.work.len();
        self.hand_on(0);
        self.run_above(depth)
    }

    /// Runs messages that have come back to a lookup join through all operators behind it.
    pub fn answer(&mut self, index: usize, messages: Vec<Message>) -> Result<(), Failure> {
        for message in &messages {
            match message {
                Message::Batch(batch) => self.nodes[index].counters.add_out(batch.num_rows()),
                Message::End => self.running -= 1,
                Message::Watermark(_) | Message::Idle | Message::Barrier(_) => {}
            }
        }
        self.said
            .extend(messages.into_iter().map(|message| (ROWS, message)));
        let depth = self.work.len();
        self.hand_on(index);
        self.run_above(depth)
    }

    /// Lets operators hand on what they hold and do not keep as state: a checkpoint is about to be taken.
    pub fn prepare(&mut self) -> Result<(), Failure> {
        for index in 0..self.nodes.len() {
            let node = &mut self.nodes[index];
            let Some(operator) = &mut node.operator else {
                continue;
            };
            self.place.enter(index);
            operator.on_barrier(&mut self.context)?;
            take_emitted(node, &mut self.context, &mut self.said);
            self.hand_on(index);
            self.run_above(0)?;
        }
        Ok(())
    }

    /// Says to other tasks how far event time had come: when it was said before, they may not have heard it by their own barrier.
    pub fn say_time_again(&mut self) {
        for node in &self.nodes {
            let reached = node.merger.watermark();
            if reached == EventTime::MIN || node.tells_time() {
                continue;
            }
            let operator = node.operator.as_ref();
            let said = operator.map_or(reached, |operator| operator.output_watermark(reached));
            let targets = node.outlets.iter().map(|outlet| outlet.target);
            let outside = targets.filter(|target| matches!(target, Target::Leaf(_)));
            self.out
                .extend(outside.map(|target| (target, Message::Watermark(said))));
        }
    }

    /// Whether every operator has ended.
    pub fn has_ended(&self) -> bool {
        self.running == 0
    }

    /// The event time that an operator has reached.
    pub fn watermark(&self, node: usize) -> EventTime {
        self.nodes[node].merger.watermark()
    }

    fn step(&mut self, index: usize, port: usize, input: usize, message: Message) -> Result<(), Failure> {
        let node = &mut self.nodes[index];
        match message {
            Message::Batch(batch) => {
                node.merger.batch(input);
                self.context.reached = Some(node.merger.watermark()).filter(|at| *at != EventTime::MIN);
                if !node.is_source {
                    node.counters.add_in(batch.num_rows());
                }
                on_batch(node, port, batch, &mut self.context, &mut self.said)?;
                take_emitted(node, &mut self.context, &mut self.said);
                self.pass_on(index);
                Ok(())
            }
            control => {
                let telling = merge(node, input, &control);
                self.tell(index, telling)
            }
        }
    }

    fn tell(&mut self, index: usize, telling: Telling) -> Result<(), Failure> {
        let node = &mut self.nodes[index];
        if let Some(rest) = tell(node, telling, &mut self.context, &mut self.said)? {
            // Below what it has emitted.
            self.work.push(Work::Telling(index, rest));
        } else {
            let is_end = |(_, message): &(usize, Message)| matches!(message, Message::End);
            let has_ended = self.said.iter().any(is_end);
            self.running -= usize::from(has_ended && !node.is_lookup);
        }
        self.pass_on(index);
        Ok(())
    }

    /// Passes on what an operator said, or what goes to a table outside first.
    fn pass_on(&mut self, index: usize) {
        if !self.nodes[index].is_lookup {
            return self.hand_on(index);
        }
        let said = self.said.drain(..);
        let leaving = said.map(|(_, message)| (Target::Table(index), message));
        self.out.extend(leaving);
    }

    /// Puts what was said on the stack so that it comes off in order: each message for each target.
    fn hand_on(&mut self, index: usize) {
        let outlets = &self.nodes[index].outlets;
        for (output, message) in self.said.drain(..).rev() {
            let is_rows = matches!(message, Message::Batch(_));
            let takes = |outlet: &&Outlet| !is_rows || outlet.output == output;
            let mut takers = outlets.iter().filter(takes);
            let Some(first) = takers.next() else {
                continue;
            };
            for outlet in takers.rev() {
                self.work.push(Work::Message(outlet.target, message.clone()));
            }
            self.work.push(Work::Message(first.target, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;
    use crate::operator::Operator;
    use crate::runtime::{late::LateRows, metrics::OperatorCounters, watermark::WatermarkMerger};

    fn rows(n: i64) -> RecordBatch {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..n));
        RecordBatch::try_from_iter([("n", values)]).expect("one column")
    }

    /// Hands on all rows twice, and one row at each watermark.
    struct Twice;

    impl Operator for Twice {
        fn on_batch(
            &mut self,
            _port: usize,
            batch: RecordBatch,
            context: &mut Context,
        ) -> Result<(), Failure> {
            if batch.num_rows() == 13 {
                return Err(Failure::user("thirteen rows"));
            }
            context.emit(batch.clone());
            context.emit(batch);
            Ok(())
        }

        fn on_watermark(&mut self, _watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
            context.emit(rows(1));
            context.late_rows += 2;
            Ok(())
        }
    }

    fn node(operator: Option<Box<dyn Operator>>, inputs: usize, targets: Vec<Target>) -> Node {
        let merger = WatermarkMerger::new(inputs);
        let outlet = |target| Outlet { output: ROWS, target };
        Node {
            operator,
            is_lookup: false,
            is_source: false,
            merger,
            outlets: targets.into_iter().map(outlet).collect(),
            late: Vec::new(),
            counters: Arc::new(OperatorCounters::new(0)),
        }
    }

    fn to(node: usize, input: usize) -> Target {
        Target::Node { node, port: 0, input }
    }

    fn said(chain: &mut Chain) -> Vec<String> {
        std::iter::from_fn(|| chain.next_out())
            .map(|(target, message)| {
                let way = match target {
                    Target::Leaf(leaf) => leaf.to_string(),
                    Target::Table(node) => format!("table of {node}"),
                    Target::Node { .. } => panic!("operators are within the chain"),
                };
                match message {
                    Message::Batch(batch) => format!("{way}:{}", batch.num_rows()),
                    Message::Watermark(at) => format!("{way}@{at}"),
                    Message::Barrier(barrier) => format!("{way}|{}", barrier.checkpoint),
                    Message::Idle => format!("{way} idle"),
                    Message::End => format!("{way} end"),
                }
            })
            .collect()
    }

    fn place() -> Arc<Place> {
        Arc::new(Place::new(
            3,
            vec![(0, "head".to_owned()), (1, "twice".to_owned())],
        ))
    }

    #[test]
    fn emissions_reach_every_target_in_order_and_before_the_watermark() {
        let targets = vec![to(1, 0), Target::Leaf(0)];
        let nodes = vec![
            node(None, 1, targets),
            node(Some(Box::new(Twice)), 1, vec![Target::Leaf(1)]),
        ];
        let mut chain = Chain::new(nodes, place());
        chain.feed(to(0, 0), Message::Batch(rows(5))).expect("works");
        assert_eq!(said(&mut chain), ["1:5", "1:5", "0:5"]);
        chain
            .feed(to(0, 0), Message::Watermark(EventTime(7)))
            .expect("works");
        assert_eq!(said(&mut chain), ["1:1", "1@7", "0@7"]);
        chain.feed(to(0, 0), Message::Idle).expect("works");
        assert_eq!(said(&mut chain), ["1 idle", "0 idle"]);
        assert!(!chain.has_ended());
        chain.feed(to(0, 0), Message::End).expect("works");
        assert_eq!(said(&mut chain), ["1 end", "0 end"]);
        assert!(chain.has_ended());
        let counted = chain.nodes[1].counters.read();
        assert_eq!((counted.rows_in, counted.rows_out, counted.late_rows), (5, 11, 2));
        assert_eq!(counted.watermark_ms, Some(7));
    }

    /// Hands on so many rows at a watermark, one by one.
    struct Parts(usize);

    impl Operator for Parts {
        fn on_batch(&mut self, _: usize, _: RecordBatch, _: &mut Context) -> Result<(), Failure> {
            Ok(())
        }

        fn on_watermark(&mut self, _: EventTime, context: &mut Context) -> Result<(), Failure> {
            self.go_on(context)
        }

        fn has_more(&self) -> bool {
            self.0 > 0
        }

        fn go_on(&mut self, context: &mut Context) -> Result<(), Failure> {
            self.0 = self.0.saturating_sub(1);
            context.emit(rows(1));
            Ok(())
        }
    }

    #[test]
    fn what_an_operator_has_more_to_emit_waits_until_the_rest_has_left() {
        let nodes = vec![
            node(Some(Box::new(Parts(40))), 1, vec![to(1, 0)]),
            node(Some(Box::new(Twice)), 1, vec![Target::Leaf(0)]),
        ];
        let mut chain = Chain::new(nodes, place());
        chain
            .feed(to(0, 0), Message::Watermark(EventTime(7)))
            .expect("works");
        let (mut all, mut turns) = (said(&mut chain), 1);
        assert_eq!(all.len(), LEAVING);
        while chain.go_on().expect("works") {
            let leaving = said(&mut chain);
            assert!(leaving.len() <= LEAVING);
            all.extend(leaving);
            turns += 1;
        }
        // Each row comes out twice; time comes behind the last one, with a row of its own.
        assert_eq!(turns, 6);
        let mut expected = vec!["0:1"; 81];
        expected.push("0@7");
        assert_eq!(all, expected);
    }

    /// Hands on the first row, and drops the others as late.
    struct First;

    impl Operator for First {
        fn on_batch(&mut self, _: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
            assert_eq!(batch.num_columns(), 1, "it sees what it reads");
            context.drop_late(1..batch.num_rows() as u32);
            context.emit(batch.slice(0, 1));
            Ok(())
        }
    }

    #[test]
    fn late_rows_leave_by_an_output_of_their_own_and_time_by_all() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let batch = RecordBatch::try_from_iter([("n", ArrayRef::clone(&column)), ("hidden", column)]);
        let batch = batch.expect("two columns");
        let late = |output, leaf| Outlet {
            output,
            target: Target::Leaf(leaf),
        };
        let first = Node {
            outlets: vec![late(ROWS, 0), late(1, 1), late(2, 2)],
            late: vec![Some(LateRows::new(&batch.schema(), 1))],
            ..node(Some(Box::new(First)), 1, vec![])
        };
        let mut chain = Chain::new(vec![first], place());
        let wm = Message::Watermark(EventTime(7));
        chain.feed(to(0, 0), wm).expect("works");
        assert_eq!(said(&mut chain), ["0@7", "1@7", "2@7"]);
        chain.feed(to(0, 0), Message::Batch(batch)).expect("works");
        assert_eq!(said(&mut chain), ["1:2", "0:1"]);
        assert_eq!(chain.nodes[0].counters.read().late_rows, 2);
        chain.feed(to(0, 0), Message::End).expect("works");
        assert_eq!(said(&mut chain), ["0 end", "1 end", "2 end"]);
    }

    /// Says the time that it is told, from 10 on.
    struct Ticker;

    impl Operator for Ticker {
        fn on_batch(&mut self, _: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
            context.emit(batch);
            Ok(())
        }

        fn tells_time(&self) -> bool {
            true
        }

        fn timer_ms(&self) -> Option<i64> {
            Some(10)
        }

        fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
            context.watermark = Some(EventTime(context.now_ms));
            Ok(())
        }
    }

    #[test]
    fn an_operator_that_tells_time_hears_the_clock_and_hides_the_time_of_its_input() {
        let nodes = vec![
            node(None, 1, vec![to(1, 0)]),
            node(Some(Box::new(Ticker)), 1, vec![Target::Leaf(0)]),
        ];
        let mut chain = Chain::new(nodes, place());
        assert!(chain.is_timed());
        chain.tick(9).expect("works");
        assert_eq!(said(&mut chain), [] as [&str; 0], "not yet");
        chain.tick(12).expect("works");
        chain.tick(11).expect("works");
        assert_eq!(said(&mut chain), ["0@12", "0@12"], "time never goes back");
        for message in [Message::Watermark(EventTime(7)), Message::Idle] {
            chain.feed(to(0, 0), message).expect("works");
            assert_eq!(said(&mut chain), [] as [&str; 0]);
        }
        chain.feed(to(0, 0), Message::Batch(rows(2))).expect("works");
        chain.feed(to(0, 0), Message::End).expect("works");
        assert_eq!(said(&mut chain), ["0:2", "0 end"]);
    }

    #[test]
    fn what_passes_a_lookup_join_leaves_and_comes_back_before_it_goes_on() {
        let lookup = Node {
            is_lookup: true,
            ..node(None, 1, vec![to(1, 0)])
        };
        let nodes = vec![lookup, node(Some(Box::new(Twice)), 1, vec![Target::Leaf(0)])];
        let mut chain = Chain::new(nodes, place());
        for message in [
            Message::Batch(rows(3)),
            Message::Watermark(EventTime(7)),
            Message::End,
        ] {
            chain.feed(to(0, 0), message).expect("works");
        }
        assert_eq!(
            said(&mut chain),
            ["table of 0:3", "table of 0@7", "table of 0 end"]
        );
        assert!(!chain.has_ended());
        chain.answer(0, vec![Message::Batch(rows(5))]).expect("works");
        assert_eq!(said(&mut chain), ["0:5", "0:5"]);
        let rest = vec![Message::Watermark(EventTime(7)), Message::End];
        chain.answer(0, rest).expect("works");
        assert_eq!(said(&mut chain), ["0:1", "0@7", "0 end"]);
        assert!(chain.has_ended());
        let counted = chain.nodes[0].counters.read();
        assert_eq!((counted.rows_in, counted.rows_out), (3, 5));
    }

    #[test]
    fn paths_that_meet_again_end_once_and_at_the_slower_time() {
        let nodes = vec![
            node(None, 1, vec![to(1, 0), to(2, 1)]),
            node(None, 1, vec![to(2, 0)]),
            node(None, 2, vec![Target::Leaf(0)]),
        ];
        let mut chain = Chain::new(nodes, place());
        chain
            .feed(to(0, 0), Message::Watermark(EventTime(7)))
            .expect("works");
        chain.feed(to(0, 0), Message::End).expect("works");
        assert_eq!(said(&mut chain), ["0@7", "0 end"]);
    }

    #[test]
    fn a_failure_names_the_operator_and_the_subtask() {
        let place = place();
        let nodes = vec![
            node(None, 1, vec![to(1, 0)]),
            node(Some(Box::new(Twice)), 1, vec![]),
        ];
        let mut chain = Chain::new(nodes, Arc::clone(&place));
        let failure = chain
            .feed(to(0, 0), Message::Batch(rows(13)))
            .expect_err("thirteen rows fail");
        assert_eq!(
            place.locate(failure).to_string(),
            "thirteen rows in twice, subtask 3"
        );
    }
}
