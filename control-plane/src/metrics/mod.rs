//! Live numbers: the last reports of every subtask, merged for people, and everything as Prometheus text.
//!
//! - [`prometheus`]: the text exposition. Leans on nothing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use weir_env::Clock;
use weir_model::{
    EventTime, Generation, JobId, OperatorId, SubtaskIndex, TaskId,
    metrics::{JobMetrics, OperatorMetrics, SubtaskMetrics},
};
use weir_proto::control;

pub mod prometheus;

/// A report older than this says nothing about the present rate.
const STALE: Duration = Duration::from_secs(5);

/// The last reports of every subtask of every deployment. A cheap handle.
#[derive(Clone, Debug)]
pub struct Metrics {
    clock: Arc<dyn Clock>,
    jobs: Arc<Mutex<HashMap<JobId, Reports>>>,
}

#[derive(Debug)]
struct Reports {
    generation: Generation,
    subtasks: BTreeMap<(u32, u32), Subtask>,
}

#[derive(Debug)]
struct Subtask {
    last: control::SubtaskMetrics,
    received: Duration,
    /// Rows in and out per second over the last report, by operator.
    rates: HashMap<u32, (f64, f64)>,
}

impl Metrics {
    /// Numbers of nothing yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            jobs: Arc::default(),
        }
    }

    /// Takes a worker's report. Numbers of an older generation are dropped when the first of a newer one come.
    pub fn record(&self, job: JobId, report: control::MetricsReport) {
        let now = self.clock.elapsed();
        let generation = Generation(report.generation);
        let mut jobs = self.jobs.lock();
        let reports = jobs.entry(job).or_insert_with(|| Reports::new(generation));
        if reports.generation > generation {
            return;
        }
        if reports.generation < generation {
            *reports = Reports::new(generation);
        }
        for subtask in report.subtasks {
            reports.record(subtask, now);
        }
    }

    /// The job's numbers now; none when no worker has reported any.
    pub fn of_job(&self, job: JobId) -> Option<JobMetrics> {
        let now = self.clock.elapsed();
        self.jobs
            .lock()
            .get(&job)
            .map(|reports| reports.merged(now, self.clock.now_ms()))
    }

    /// Drops the job's numbers.
    pub fn forget(&self, job: JobId) {
        self.jobs.lock().remove(&job);
    }
}

impl Reports {
    fn new(generation: Generation) -> Self {
        Self {
            generation,
            subtasks: BTreeMap::new(),
        }
    }

    fn record(&mut self, subtask: control::SubtaskMetrics, now: Duration) {
        let key = (subtask.task, subtask.subtask);
        let rates = self
            .subtasks
            .get(&key)
            .map(|before| rates(before, &subtask, now))
            .unwrap_or_default();
        self.subtasks.insert(
            key,
            Subtask {
                last: subtask,
                received: now,
                rates,
            },
        );
    }

    fn merged(&self, now: Duration, at_ms: i64) -> JobMetrics {
        let mut operators: BTreeMap<u32, OperatorMetrics> = BTreeMap::new();
        for subtask in self.subtasks.values() {
            let fresh = now.saturating_sub(subtask.received) < STALE;
            for operator in &subtask.last.operators {
                let rate = subtask
                    .rates
                    .get(&operator.operator)
                    .copied()
                    .filter(|_| fresh)
                    .unwrap_or_default();
                match operators.get_mut(&operator.operator) {
                    Some(merged) => add(merged, operator, rate),
                    None => {
                        operators.insert(operator.operator, one(operator, rate));
                    }
                }
            }
        }
        let subtasks = self
            .subtasks
            .values()
            .map(|subtask| subtask_metrics(&subtask.last))
            .collect();
        JobMetrics {
            at_ms,
            operators: operators.into_values().collect(),
            subtasks,
        }
    }
}

fn rates(before: &Subtask, now: &control::SubtaskMetrics, at: Duration) -> HashMap<u32, (f64, f64)> {
    let seconds = at.saturating_sub(before.received).as_secs_f64();
    // The last report of a subtask may come right after a periodic one: too short a time to divide by.
    if seconds < 0.05 {
        return before.rates.clone();
    }
    let per_s = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
    now.operators
        .iter()
        .filter_map(|now| {
            let then = before
                .last
                .operators
                .iter()
                .find(|then| then.operator == now.operator)?;
            Some((
                now.operator,
                (
                    per_s(now.rows_in, then.rows_in),
                    per_s(now.rows_out, then.rows_out),
                ),
            ))
        })
        .collect()
}

fn one(operator: &control::OperatorMetrics, (rows_in_per_s, rows_out_per_s): (f64, f64)) -> OperatorMetrics {
    let control::OperatorMetrics {
        operator,
        rows_in,
        rows_out,
        late_rows,
        skipped_records,
        lag_records,
        watermark_ms,
    } = *operator;
    OperatorMetrics {
        operator: OperatorId(operator),
        rows_in,
        rows_out,
        rows_in_per_s,
        rows_out_per_s,
        late_rows,
        skipped_records,
        lag_records,
        watermark: watermark_ms.map(EventTime),
    }
}

fn add(merged: &mut OperatorMetrics, operator: &control::OperatorMetrics, rate: (f64, f64)) {
    let other = one(operator, rate);
    merged.rows_in += other.rows_in;
    merged.rows_out += other.rows_out;
    merged.rows_in_per_s += other.rows_in_per_s;
    merged.rows_out_per_s += other.rows_out_per_s;
    merged.late_rows += other.late_rows;
    merged.skipped_records += other.skipped_records;
    let lags = [merged.lag_records, other.lag_records].into_iter().flatten();
    merged.lag_records = lags.reduce(u64::saturating_add);
    // A subtask without a watermark holds the operator's back: there is none yet.
    merged.watermark = merged.watermark.zip(other.watermark).map(|(a, b)| a.min(b));
}

fn subtask_metrics(subtask: &control::SubtaskMetrics) -> SubtaskMetrics {
    let control::SubtaskMetrics {
        task,
        subtask,
        busy,
        backpressured,
        idle,
        watermark_ms,
        operators: _,
    } = *subtask;
    SubtaskMetrics {
        task: TaskId(task),
        subtask: SubtaskIndex(subtask),
        busy,
        backpressured,
        idle,
        watermark: watermark_ms.map(EventTime),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use weir_env::ManualClock;

    use super::*;

    fn report(generation: u64, subtask: u32, rows: u64, watermark_ms: Option<i64>) -> control::MetricsReport {
        let operator = control::OperatorMetrics {
            operator: 3,
            rows_in: rows,
            rows_out: rows / 2,
            late_rows: 1,
            skipped_records: 0,
            lag_records: (subtask == 1).then_some(4),
            watermark_ms,
        };
        let subtask = control::SubtaskMetrics {
            task: 1,
            subtask,
            busy: 0.5,
            backpressured: 0.25,
            idle: 0.25,
            watermark_ms,
            operators: vec![operator],
        };
        control::MetricsReport {
            job_id: String::new(),
            generation,
            subtasks: vec![subtask],
        }
    }

    #[test]
    fn subtasks_are_summed_and_rates_are_per_second_of_the_last_report() {
        let clock = ManualClock::new();
        let metrics = Metrics::new(Arc::new(clock.clone()));
        let job = JobId(Uuid::from_u128(1));
        metrics.record(job, report(1, 0, 100, Some(50)));
        metrics.record(job, report(1, 1, 10, None));
        clock.advance(Duration::from_secs(2));
        metrics.record(job, report(1, 0, 300, Some(70)));
        metrics.record(job, report(1, 1, 20, Some(60)));
        let merged = metrics.of_job(job).expect("numbers");
        let operator = &merged.operators[0];
        assert_eq!(
            (operator.rows_in, operator.rows_out, operator.late_rows),
            (320, 160, 2)
        );
        assert_eq!((operator.rows_in_per_s, operator.rows_out_per_s), (105.0, 52.5));
        assert_eq!(operator.watermark, Some(EventTime(60)));
        assert_eq!(operator.lag_records, Some(4), "where one of them knows");
        assert_eq!(merged.subtasks.len(), 2);

        clock.advance(STALE);
        let later = metrics.of_job(job).expect("numbers");
        assert!(
            later.operators[0].rows_in_per_s.abs() < f64::EPSILON,
            "silence is no rate"
        );
    }

    #[test]
    fn a_newer_generation_starts_from_nothing_and_an_older_one_is_not_heard() {
        let metrics = Metrics::new(Arc::new(ManualClock::new()));
        let job = JobId(Uuid::from_u128(1));
        metrics.record(job, report(1, 0, 100, None));
        metrics.record(job, report(2, 1, 7, None));
        metrics.record(job, report(1, 0, 500, None));
        let merged = metrics.of_job(job).expect("numbers");
        assert_eq!(merged.operators[0].rows_in, 7);
        assert_eq!(merged.subtasks.len(), 1);
    }

    #[test]
    fn an_operator_has_no_watermark_while_one_of_its_subtasks_has_none() {
        let metrics = Metrics::new(Arc::new(ManualClock::new()));
        let job = JobId(Uuid::from_u128(1));
        metrics.record(job, report(1, 0, 1, Some(5)));
        metrics.record(job, report(1, 1, 1, None));
        assert_eq!(metrics.of_job(job).expect("numbers").operators[0].watermark, None);
    }
}
