//! Rows of `print` sinks on their way to the control plane: the last of each interval, with the true count.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;
use weir_connector::RowOutput;
use weir_model::Generation;
use weir_proto::control::PrintedRows;

/// Rows of one sink subtask that are kept between two reports.
const KEPT_ROWS: usize = 1000;

/// Where the `print` sinks of one deployment put their rows.
#[derive(Debug, Default)]
pub struct PrintedSample {
    sinks: Mutex<BTreeMap<(String, u32), Printed>>,
}

#[derive(Debug, Default)]
struct Printed {
    total: u64,
    reported: u64,
    last: VecDeque<String>,
}

impl RowOutput for PrintedSample {
    fn print(&self, table: &str, subtask: u32, lines: &[u8], rows: usize) {
        let mut sinks = self.sinks.lock();
        let printed = sinks.entry((table.to_owned(), subtask)).or_default();
        printed.total += rows as u64;
        // Of very many rows only those that can be kept are looked at.
        let text = String::from_utf8_lossy(lines);
        let newest: Vec<&str> = text.lines().rev().take(KEPT_ROWS).collect();
        for line in newest.into_iter().rev() {
            if printed.last.len() == KEPT_ROWS {
                printed.last.pop_front();
            }
            printed.last.push_back(line.to_owned());
        }
    }
}

impl PrintedSample {
    /// What was printed since the last call, a report per sink subtask.
    pub fn take(&self, job: &str, generation: Generation) -> Vec<PrintedRows> {
        let mut sinks = self.sinks.lock();
        let news = sinks
            .iter_mut()
            .filter(|(_, printed)| printed.total > printed.reported);
        news.map(|((table, subtask), printed)| {
            printed.reported = printed.total;
            PrintedRows {
                job_id: job.to_owned(),
                generation: generation.0,
                table: table.clone(),
                subtask: *subtask,
                total_rows: printed.total,
                rows: std::mem::take(&mut printed.last).into(),
            }
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rows_of_an_interval_are_kept_with_the_true_count() {
        let sample = PrintedSample::default();
        for i in 0..KEPT_ROWS + 5 {
            sample.print("alerts", 1, format!("{{\"n\":{i}}}\n").as_bytes(), 1);
        }
        let reports = sample.take("job", Generation(2));
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].total_rows, KEPT_ROWS as u64 + 5);
        assert_eq!(reports[0].rows.len(), KEPT_ROWS);
        assert_eq!(reports[0].rows[0], "{\"n\":5}");
        assert_eq!(sample.take("job", Generation(2)), [], "nothing new was printed");
        sample.print("alerts", 1, b"a\nb\n", 2);
        assert_eq!(sample.take("job", Generation(2))[0].rows, ["a", "b"]);
    }
}
