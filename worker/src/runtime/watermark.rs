//! Merges the event time of several inputs: the minimum over those that count, never backwards.

use weir_model::EventTime;

/// What the merged stream says because of one input's news, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Event time has risen to here (or counts again after idleness).
    pub watermark: Option<EventTime>,
    /// Every input that has not ended is now idle.
    pub idle: bool,
    /// Every input has ended.
    pub end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Active(EventTime),
    Idle(EventTime),
    /// It said `EventTime::MAX`: no rows follow, so it holds nothing back and pushes nothing forward.
    Done,
    Ended,
}

/// The merge of the inputs of one operator.
///
/// - An input that is idle does not hold time back; a batch or a watermark makes it active again.
/// - An input at `EventTime::MAX` and one that has ended do not count. The merge is at `MAX` when all inputs are done.
/// - When no active input is left, time moves on to the furthest of the idle ones, so that the last window fires.
/// - Time never runs backwards: an input that comes back behind the merged watermark changes nothing until it passes it.
#[derive(Clone, Debug)]
pub struct WatermarkMerger {
    inputs: Vec<Input>,
    watermark: EventTime,
    idle: bool,
    ended: bool,
    any_done: bool,
}

impl WatermarkMerger {
    /// A merge of so many inputs, none of which has said anything yet.
    pub fn new(inputs: usize) -> Self {
        Self {
            inputs: vec![Input::Active(EventTime::MIN); inputs],
            watermark: EventTime::MIN,
            idle: false,
            ended: false,
            any_done: false,
        }
    }

    /// Begins where the merge of an earlier deployment had come to. Inputs say where they are themselves.
    pub fn restore(&mut self, watermark: EventTime) {
        self.watermark = watermark;
    }

    /// The merged watermark; `EventTime::MIN` before the first.
    pub fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// Rows came on an input: it is no longer idle. Whoever takes the merged stream learns it from the rows.
    #[inline]
    pub fn batch(&mut self, input: usize) {
        if let Input::Idle(watermark) = self.inputs[input] {
            self.inputs[input] = Input::Active(watermark);
        }
        self.idle = false;
    }

    /// An input's event time has risen.
    pub fn advance(&mut self, input: usize, watermark: EventTime) -> Merged {
        let was_idle = self.idle;
        match self.inputs[input] {
            Input::Active(_) | Input::Idle(_) if watermark == EventTime::MAX => {
                self.inputs[input] = Input::Done;
                self.any_done = true;
            }
            Input::Active(before) | Input::Idle(before) => {
                self.inputs[input] = Input::Active(before.max(watermark));
                self.idle = false;
            }
            Input::Done | Input::Ended => {}
        }
        let mut merged = self.merge();
        if was_idle && !self.idle && merged.watermark.is_none() {
            merged.watermark = Some(self.watermark);
        }
        merged
    }

    /// An input no longer holds time back.
    pub fn idle(&mut self, input: usize) -> Merged {
        if let Input::Active(watermark) = self.inputs[input] {
            self.inputs[input] = Input::Idle(watermark);
        }
        self.merge()
    }

    /// An input has ended.
    pub fn end(&mut self, input: usize) -> Merged {
        self.inputs[input] = Input::Ended;
        self.merge()
    }

    fn merge(&mut self) -> Merged {
        let (mut lowest_active, mut furthest_idle, mut all_ended) = (None, None, true);
        for input in &self.inputs {
            all_ended &= *input == Input::Ended;
            match *input {
                Input::Active(at) => {
                    lowest_active = Some(lowest_active.map_or(at, |low: EventTime| low.min(at)));
                }
                Input::Idle(at) => furthest_idle = furthest_idle.max(Some(at)),
                Input::Done | Input::Ended => {}
            }
        }
        let all_done = self.any_done.then_some(EventTime::MAX);
        let target = lowest_active.or(furthest_idle).or(all_done);
        let now_idle = lowest_active.is_none() && furthest_idle.is_some();
        Merged {
            watermark: target
                .filter(|target| *target > self.watermark)
                .inspect(|target| self.watermark = *target),
            idle: now_idle && !std::mem::replace(&mut self.idle, now_idle),
            end: all_ended && !std::mem::replace(&mut self.ended, all_ended),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum News {
        Batch(usize),
        At(usize, i64),
        Idle(usize),
        End(usize),
    }
    use News::{At, Batch, End, Idle};

    fn feed(merger: &mut WatermarkMerger, news: News) -> Merged {
        match news {
            Batch(input) => {
                merger.batch(input);
                Merged::default()
            }
            At(input, at) => merger.advance(input, EventTime(at)),
            Idle(input) => merger.idle(input),
            End(input) => merger.end(input),
        }
    }

    /// What the merge of two inputs says: `10` a watermark, `idle`, `end`, in order.
    fn check(news: &[News], expected: &str) {
        let mut merger = WatermarkMerger::new(2);
        let mut said = Vec::new();
        for &news in news {
            let Merged { watermark, idle, end } = feed(&mut merger, news);
            said.extend(watermark.map(|at| {
                if at == EventTime::MAX {
                    "max".to_owned()
                } else {
                    at.to_string()
                }
            }));
            said.extend(idle.then(|| "idle".to_owned()));
            said.extend(end.then(|| "end".to_owned()));
        }
        assert_eq!(said.join(" "), expected, "{news:?}");
    }

    const MAX: i64 = i64::MAX;

    #[test]
    fn the_slowest_active_input_sets_the_time() {
        check(&[At(0, 10)], "");
        check(&[At(0, 10), At(1, 5)], "5");
        check(&[At(0, 10), At(1, 5), At(1, 20), At(0, 15)], "5 10 15");
        check(&[At(0, 10), At(1, 10), At(0, 7), At(1, 12)], "10");
    }

    #[test]
    fn an_idle_input_does_not_hold_time_back() {
        check(&[At(0, 10), Idle(1)], "10");
        check(&[At(0, 10), At(1, 5), Idle(1), At(0, 12)], "5 10 12");
        check(&[At(0, 10), Idle(1), At(1, 3), At(0, 20), At(1, 15)], "10 15");
        check(&[At(0, 10), Idle(1), Batch(1), At(0, 20), At(1, 15)], "10 15");
    }

    #[test]
    fn when_all_are_idle_time_moves_to_the_furthest_and_idleness_is_passed_on_once() {
        check(&[At(0, 10), At(1, 5), Idle(1), Idle(0)], "5 10 idle");
        check(&[At(0, 5), At(1, 10), Idle(0), Idle(1), Idle(1)], "5 10 idle");
        check(&[Idle(0), Idle(1)], "idle");
        check(&[At(0, 5), Idle(0), Idle(1), At(0, 5)], "5 idle 5");
        check(&[At(0, 5), Idle(0), Idle(1), Batch(0), Idle(0)], "5 idle idle");
    }

    #[test]
    fn an_input_that_is_done_does_not_push_time_past_one_that_is_only_idle() {
        check(&[At(0, MAX), End(0), At(1, 10)], "10");
        check(
            &[
                At(1, 10),
                Idle(1),
                At(0, MAX),
                End(0),
                At(1, 12),
                At(1, MAX),
                End(1),
            ],
            "10 idle 12 max end",
        );
    }

    #[test]
    fn the_end_comes_once_when_all_have_ended() {
        check(&[End(0), End(1)], "end");
        check(&[At(0, MAX), At(1, MAX), End(0), End(1)], "max end");
        check(&[At(0, MAX), End(0), End(1)], "max end");
        check(&[At(0, 3), Idle(1), End(1), At(0, 4), End(0)], "3 4 end");
    }

    fn news() -> impl Strategy<Value = News> {
        prop_oneof![
            (0..3_usize).prop_map(Batch),
            (0..3_usize, 0..50_i64).prop_map(|(input, at)| At(input, at)),
            (0..3_usize).prop_map(|input| At(input, MAX)),
            (0..3_usize).prop_map(Idle),
            (0..3_usize).prop_map(End),
        ]
    }

    proptest! {
        #[test]
        fn time_never_runs_backwards_nor_past_an_active_input(script in proptest::collection::vec(news(), 0..60)) {
            let mut merger = WatermarkMerger::new(3);
            let mut last = EventTime::MIN;
            let mut ended = [false; 3];
            let mut ends = 0;
            for news in script {
                let input = match news { Batch(i) | At(i, _) | Idle(i) | End(i) => i };
                if ended[input] {
                    continue;
                }
                ended[input] = matches!(news, End(_));
                let before = last;
                let merged = feed(&mut merger, news);
                if let Some(at) = merged.watermark {
                    prop_assert!(at >= last, "{at} after {last}");
                    last = at;
                }
                for held in &merger.inputs {
                    if let Input::Active(at) = held {
                        prop_assert!(last <= before.max(*at), "time passed an active input");
                    }
                }
                ends += usize::from(merged.end);
                prop_assert_eq!(ends == 1, ended.iter().all(|&e| e));
            }
        }
    }
}
