//! When rows go: their numbers by the time from which no partner can come.

use std::collections::BTreeMap;

/// Deadlines of rows, which are numbered as they come.
#[derive(Debug)]
pub(super) struct Expiry {
    /// Rows go in steps of this time, ms.
    grain_ms: i64,
    deadlines: Vec<i64>,
    /// Rows by deadline, rounded up.
    steps: BTreeMap<i64, Vec<u32>>,
}

impl Expiry {
    pub(super) fn new(grain_ms: i64) -> Self {
        Self {
            grain_ms,
            deadlines: Vec::new(),
            steps: BTreeMap::new(),
        }
    }

    /// In which steps rows go, ms.
    pub(super) fn grain_ms(&self) -> i64 {
        self.grain_ms
    }

    /// Adds rows behind all others.
    pub(super) fn extend(&mut self, deadlines: impl Iterator<Item = i64>) {
        let first = self.deadlines.len();
        self.deadlines.extend(deadlines);
        self.add_steps(first);
    }

    fn add_steps(&mut self, first: usize) {
        let grain = self.grain_ms;
        let round = |deadline: i64| {
            let over = deadline.rem_euclid(grain);
            if over == 0 {
                deadline
            } else {
                deadline.saturating_add(grain - over)
            }
        };
        let mut from = first;
        // Rows come mostly in the order of time: neighbours share their step.
        while from < self.deadlines.len() {
            let step = round(self.deadlines[from]);
            let same = self.deadlines[from..].iter().take_while(|d| round(**d) == step);
            let to = from + same.count();
            self.steps.entry(step).or_default().extend(from as u32..to as u32);
            from = to;
        }
    }

    /// The rows whose deadline a watermark has reached; each is given once.
    pub(super) fn due(&mut self, watermark: i64) -> Vec<u32> {
        let mut due = Vec::new();
        while let Some(step) = self.steps.first_entry() {
            if *step.key() > watermark {
                break;
            }
            due.append(&mut step.remove());
        }
        due
    }

    /// Follows a renumbering: row `kept[i]` is now row `i`, others are gone.
    pub(super) fn renumber(&mut self, kept: &[u32]) {
        self.deadlines = kept.iter().map(|id| self.deadlines[*id as usize]).collect();
        self.steps.clear();
        self.add_steps(0);
    }
}
