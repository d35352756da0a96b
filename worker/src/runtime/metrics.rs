//! What a subtask counts: rows per operator, and where its time goes. Written by the task alone, read by reports.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use weir_connector::source::SourceCounters;
use weir_env::Clock;
use weir_model::EventTime;
use weir_proto::control;

/// Counters of one operator in one subtask, since the subtask started.
#[derive(Debug)]
pub struct OperatorCounters {
    /// Which operator of the job graph.
    pub operator: u32,
    rows_in: AtomicU64,
    rows_out: AtomicU64,
    late_rows: AtomicU64,
    watermark: AtomicI64,
    /// What a source's connector counts.
    pub source: Arc<SourceCounters>,
}

impl OperatorCounters {
    /// Counters at zero.
    pub fn new(operator: u32) -> Self {
        Self {
            operator,
            rows_in: AtomicU64::new(0),
            rows_out: AtomicU64::new(0),
            late_rows: AtomicU64::new(0),
            watermark: AtomicI64::new(i64::MIN),
            source: Arc::default(),
        }
    }

    /// Counts rows taken.
    #[inline]
    pub fn add_in(&self, rows: usize) {
        self.rows_in.fetch_add(rows as u64, Relaxed);
    }

    /// Counts rows handed on.
    #[inline]
    pub fn add_out(&self, rows: usize) {
        self.rows_out.fetch_add(rows as u64, Relaxed);
    }

    /// Counts rows that came too late.
    #[inline]
    pub fn add_late(&self, rows: u64) {
        if rows > 0 {
            self.late_rows.fetch_add(rows, Relaxed);
        }
    }

    /// Sets the event time that the operator has reached.
    pub fn set_watermark(&self, watermark: EventTime) {
        self.watermark.store(watermark.0, Relaxed);
    }

    /// The numbers now.
    pub fn read(&self) -> control::OperatorMetrics {
        let watermark = self.watermark.load(Relaxed);
        control::OperatorMetrics {
            operator: self.operator,
            rows_in: self.rows_in.load(Relaxed),
            rows_out: self.rows_out.load(Relaxed),
            late_rows: self.late_rows.load(Relaxed),
            skipped_records: self.source.skipped_records(),
            lag_records: self.source.lag(),
            watermark_ms: (watermark != i64::MIN).then_some(watermark),
        }
    }
}

/// What a subtask is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Computing.
    Busy,
    /// Waiting for room downstream.
    Backpressured,
    /// Waiting for input.
    Idle,
}

/// Where a subtask's time goes. The clock is read when the activity changes, not per message.
#[derive(Debug)]
pub struct Activities {
    clock: Arc<dyn Clock>,
    state: Mutex<Spent>,
}

#[derive(Debug)]
struct Spent {
    now: Activity,
    since: Duration,
    /// Busy, backpressured, idle.
    total: [Duration; 3],
    reported: [Duration; 3],
}

impl Activities {
    /// Idle from now on.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let since = clock.elapsed();
        let zero = [Duration::ZERO; 3];
        Self {
            clock,
            state: Mutex::new(Spent {
                now: Activity::Idle,
                since,
                total: zero,
                reported: zero,
            }),
        }
    }

    /// Enters an activity, which ends the one before.
    pub fn enter(&self, activity: Activity) {
        let now = self.clock.elapsed();
        self.state.lock().enter(activity, now);
    }

    /// The shares of busy, backpressured and idle time since the last call, 0 to 1.
    pub fn shares(&self) -> [f64; 3] {
        let now = self.clock.elapsed();
        let mut state = self.state.lock();
        let activity = state.now;
        state.enter(activity, now);
        let spent: [f64; 3] =
            std::array::from_fn(|i| state.total[i].saturating_sub(state.reported[i]).as_secs_f64());
        state.reported = state.total;
        let whole: f64 = spent.iter().sum();
        if whole > 0.0 {
            spent.map(|part| part / whole)
        } else {
            [0.0; 3]
        }
    }
}

impl Spent {
    fn enter(&mut self, activity: Activity, now: Duration) {
        let place = match self.now {
            Activity::Busy => 0,
            Activity::Backpressured => 1,
            Activity::Idle => 2,
        };
        self.total[place] += now.saturating_sub(self.since);
        self.since = now;
        self.now = activity;
    }
}

/// All that one subtask counts.
#[derive(Debug)]
pub struct SubtaskCounters {
    /// Which task.
    pub task: u32,
    /// Which of its subtasks.
    pub subtask: u32,
    /// Its operators, in the graph's order.
    pub operators: Vec<Arc<OperatorCounters>>,
    /// Where its time goes.
    pub activities: Activities,
    watermark: AtomicI64,
}

impl SubtaskCounters {
    /// Counters at zero for these operators.
    pub fn new(task: u32, subtask: u32, operators: impl Iterator<Item = u32>, clock: Arc<dyn Clock>) -> Self {
        Self {
            task,
            subtask,
            operators: operators.map(|id| Arc::new(OperatorCounters::new(id))).collect(),
            activities: Activities::new(clock),
            watermark: AtomicI64::new(i64::MIN),
        }
    }

    /// Sets the lowest input watermark.
    pub fn set_watermark(&self, watermark: EventTime) {
        self.watermark.store(watermark.0, Relaxed);
    }

    /// The numbers now; the shares of time are those since the last call.
    pub fn read(&self) -> control::SubtaskMetrics {
        let [busy, backpressured, idle] = self.activities.shares();
        let watermark = self.watermark.load(Relaxed);
        control::SubtaskMetrics {
            task: self.task,
            subtask: self.subtask,
            busy,
            backpressured,
            idle,
            watermark_ms: (watermark != i64::MIN).then_some(watermark),
            operators: self.operators.iter().map(|o| o.read()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_env::ManualClock;

    use super::*;

    #[test]
    fn shares_cover_the_time_since_the_last_report_with_the_activity_in_progress() {
        let clock = ManualClock::new();
        let activities = Activities::new(Arc::new(clock.clone()));
        activities.enter(Activity::Busy);
        clock.advance(Duration::from_millis(600));
        activities.enter(Activity::Backpressured);
        clock.advance(Duration::from_millis(300));
        activities.enter(Activity::Idle);
        clock.advance(Duration::from_millis(100));
        let shares = activities.shares();
        assert!(
            shares
                .iter()
                .zip([0.6, 0.3, 0.1])
                .all(|(a, b)| (a - b).abs() < 1e-9),
            "{shares:?}"
        );
        clock.advance(Duration::from_millis(10));
        let idle = activities.shares();
        assert!(
            idle.iter()
                .zip([0.0, 0.0, 1.0])
                .all(|(a, b)| (a - b).abs() < 1e-9),
            "{idle:?}"
        );
        assert!(
            activities.shares().iter().sum::<f64>() < 1e-9,
            "no time has passed"
        );
    }
}
