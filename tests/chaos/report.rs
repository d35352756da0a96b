//! What a run did and found, for people.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use crate::{
    check::Differences,
    job::{Events, Variant},
    plan::Done,
};

/// A run.
pub(crate) struct Report {
    pub(crate) events: Events,
    pub(crate) took: Duration,
    pub(crate) faults: Vec<Done>,
    /// How often the job was deployed.
    pub(crate) executions: usize,
    pub(crate) checkpoints: u64,
    pub(crate) failed_checkpoints: usize,
    /// Of the newest, those with rows in flight.
    pub(crate) in_flight: usize,
    /// By output.
    pub(crate) differences: Vec<(&'static str, Differences)>,
}

impl Report {
    /// Whether everything came out as it had to.
    pub(crate) fn is_clean(&self) -> bool {
        self.differences.iter().all(|(_, differences)| differences.none())
    }

    /// In Markdown.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let Events { count, rate, seed } = self.events;
        let minutes = self.took.as_secs_f64() / 60.0;
        let _ = writeln!(
            text,
            "Seed {seed}: {count} events at {rate} a second, {minutes:.1} minutes, {} executions, {} checkpoints begun, of the newest {} came to nothing and {} had rows in flight.",
            self.executions, self.checkpoints, self.failed_checkpoints, self.in_flight
        );
        let Variant {
            unaligned,
            local_recovery,
            backend,
        } = Variant::of(seed);
        let _ = writeln!(
            text,
            "Unaligned checkpoints: {unaligned}; local recovery: {local_recovery}; state backend: {backend}.\n"
        );
        let _ = writeln!(
            text,
            "| Fault | Times | Until rows came again, median and longest |\n|---|---|---|"
        );
        let mut by_kind: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for done in &self.faults {
            by_kind.entry(done.fault).or_default().push(done.recovered_after);
        }
        for (fault, times) in by_kind {
            let mut known: Vec<_> = times.iter().flatten().map(Duration::as_secs_f64).collect();
            known.sort_by(f64::total_cmp);
            let recovery = match known.last() {
                Some(longest) => format!("{:.1} s, {longest:.1} s", known[known.len() / 2]),
                None => "not waited for".to_owned(),
            };
            let _ = writeln!(text, "| {fault} | {} | {recovery} |", times.len());
        }
        let _ = writeln!(
            text,
            "\n| Output | Rows | Lost | Duplicated | Wrong |\n|---|---|---|---|---|"
        );
        for (name, d) in &self.differences {
            let counts = (d.expected, d.lost.rows, d.duplicated.rows, d.wrong.rows);
            let _ = writeln!(
                text,
                "| `{name}` | {} | {} | {} | {} |",
                counts.0, counts.1, counts.2, counts.3
            );
        }
        text
    }

    /// Each difference with its first row.
    pub(crate) fn differences_text(&self) -> String {
        let mut text = String::new();
        for (name, differences) in self.differences.iter().filter(|(_, d)| !d.none()) {
            // A string takes everything.
            let _ = writeln!(text, "{name}: {differences}");
        }
        text
    }
}
