//! When events happen.

use std::f64::consts::PI;

const SINE_STEPS: u64 = 10;

/// How the rate swings between two rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Half of the period at either.
    Square,
    /// In ten steps along a cosine.
    Sine,
}

/// The distances between events: one rate, or the steps of a swing over and over.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    steps: Vec<Step>,
    swing_events: u64,
    swing_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    /// Event numbers within the swing.
    first: u64,
    end: u64,
    start_ms: u64,
    per_second: u64,
}

impl Pace {
    /// Rates are in events per second, at least 1.
    pub(super) fn new(first_rate: u64, next_rate: u64, shape: Shape, period_s: u64) -> Self {
        if first_rate == next_rate {
            return Self {
                steps: vec![Step {
                    first: 0,
                    end: u64::MAX,
                    start_ms: 0,
                    per_second: first_rate,
                }],
                swing_events: u64::MAX,
                swing_ms: 0,
            };
        }
        let rates = match shape {
            Shape::Square => vec![first_rate, next_rate],
            Shape::Sine => sine(first_rate as f64, next_rate as f64),
        };
        let step_s = period_s.div_ceil(rates.len() as u64);
        let mut steps = Vec::with_capacity(rates.len());
        let mut first = 0;
        for (index, per_second) in rates.into_iter().enumerate() {
            let end = first + per_second * step_s;
            steps.push(Step {
                first,
                end,
                start_ms: index as u64 * step_s * 1_000,
                per_second,
            });
            first = end;
        }
        Self {
            swing_ms: steps.len() as u64 * step_s * 1_000,
            swing_events: first,
            steps,
        }
    }

    /// The lowest rate, in events per second.
    pub(super) fn slowest_per_second(&self) -> u64 {
        self.steps.iter().map(|step| step.per_second).min().unwrap_or(1)
    }

    /// Milliseconds from event 0 to event n, rounded down.
    pub(super) fn offset_ms(&self, n: u64) -> u64 {
        let (start_ms, step, k) = self.place(n);
        start_ms + k * 1_000 / step.per_second
    }

    /// Appends the times of `count` events from n on, counted from `base_ms`.
    pub(super) fn extend(&self, base_ms: i64, mut n: u64, count: usize, out: &mut Vec<i64>) {
        let end = n + count as u64;
        while n < end {
            let (start_ms, step, k) = self.place(n);
            let run = (end - n).min(step.end - step.first - k);
            step.extend(base_ms + start_ms as i64, k, run, out);
            n += run;
        }
    }

    /// The step of event n, when it starts, and how manieth event of it n is.
    fn place(&self, n: u64) -> (u64, &Step, u64) {
        let (swing, within) = (n / self.swing_events, n % self.swing_events);
        let index = self.steps.partition_point(|step| step.end <= within);
        let step = &self.steps[index];
        (swing * self.swing_ms + step.start_ms, step, within - step.first)
    }
}

impl Step {
    fn extend(&self, start_ms: i64, mut k: u64, count: u64, out: &mut Vec<i64>) {
        let end = k + count;
        if self.per_second < 1_000 {
            out.extend((k..end).map(|k| start_ms + (k * 1_000 / self.per_second) as i64));
            return;
        }
        // All events of a millisecond at once.
        let mut ms = k * 1_000 / self.per_second;
        while k < end {
            let until = ((ms + 1) * self.per_second).div_ceil(1_000).min(end);
            out.resize(out.len() + (until - k) as usize, start_ms + ms as i64);
            (k, ms) = (until, ms + 1);
        }
    }
}

fn sine(first_rate: f64, next_rate: f64) -> Vec<u64> {
    let (middle, swing) = (
        f64::midpoint(first_rate, next_rate),
        (first_rate - next_rate) / 2.0,
    );
    (0..SINE_STEPS)
        .map(|step| {
            let angle = 2.0 * PI * step as f64 / SINE_STEPS as f64;
            ((middle + swing * angle.cos()).round() as u64).max(1)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(pace: &Pace, first: u64, count: usize) -> Vec<i64> {
        let mut out = Vec::new();
        pace.extend(0, first, count, &mut out);
        out
    }

    #[test]
    fn a_range_of_events_has_the_times_of_each() {
        for (first_rate, next_rate, shape) in [
            (1, 1, Shape::Square),
            (999, 999, Shape::Square),
            (1_000, 1_000, Shape::Square),
            (10_007, 10_007, Shape::Square),
            (2_147_483_647, 2_147_483_647, Shape::Square),
            (10, 1_500, Shape::Square),
            (3_000, 7, Shape::Sine),
        ] {
            let pace = Pace::new(first_rate, next_rate, shape, 20);
            for first in [0, 1, 999, 123_456, 7_000_000_001] {
                let expected: Vec<_> = (first..first + 5_000).map(|n| pace.offset_ms(n) as i64).collect();
                assert_eq!(
                    times(&pace, first, 5_000),
                    expected,
                    "{first_rate} {next_rate} {first}"
                );
                assert!(expected.is_sorted());
            }
        }
    }

    #[test]
    fn a_rate_swings_there_and_back() {
        let pace = Pace::new(100, 300, Shape::Square, 20);
        // Ten seconds at 100 events each, ten at 300.
        for (n, ms) in [
            (999, 9_990),
            (1_000, 10_000),
            (1_300, 11_000),
            (4_000, 20_000),
            (4_100, 21_000),
        ] {
            assert_eq!(pace.offset_ms(n), ms, "event {n}");
        }
        let sine = Pace::new(100, 300, Shape::Sine, 20);
        let per_step: Vec<_> = sine.steps.iter().map(|step| step.per_second).collect();
        assert_eq!(per_step, [100, 119, 169, 231, 281, 300, 281, 231, 169, 119]);
        assert_eq!(sine.slowest_per_second(), 100);
    }
}
