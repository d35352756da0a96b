//! Partitions that come to be while others are read, and which reader gets them.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::task::JoinHandle;

use super::{offsets, source, split::Partition};
use crate::{ConnectorError, SourceContext, source::reader_of};

/// Looks for partitions once in a while.
pub(super) struct Discovery {
    table: Arc<source::Reading>,
    interval: Duration,
    due: Duration,
    /// The brokers are being asked.
    asking: Option<JoinHandle<Result<Vec<Partition>, ConnectorError>>>,
    /// The ids of partitions that some reader has, or gets now.
    known: HashSet<String>,
    subtask: u32,
    parallelism: u32,
}

impl Discovery {
    /// None: the table does not say how often.
    pub(super) fn new(table: &Arc<source::Reading>, context: &SourceContext) -> Option<Self> {
        let interval = table.scan.discovery.filter(|_| table.scan.bounded.is_none())?;
        Some(Self {
            table: Arc::clone(table),
            interval,
            due: context.clock.elapsed() + interval,
            asking: None,
            known: context.known_splits.iter().cloned().collect(),
            subtask: context.subtask,
            parallelism: context.parallelism.max(1),
        })
    }

    /// Partitions that are new and this reader's. Does not wait: what is asked now is known at a later call.
    pub(super) fn look(&mut self, now: Duration) -> Vec<Partition> {
        let Some(asking) = &mut self.asking else {
            if now >= self.due {
                let table = Arc::clone(&self.table);
                let ask = move || offsets::existing(&table.client, &table.scan.topics);
                self.asking = Some(tokio::task::spawn_blocking(ask));
            }
            return Vec::new();
        };
        let Some(answer) = asking.now_or_never() else {
            return Vec::new();
        };
        self.asking = None;
        self.due = now + self.interval;
        match answer {
            Ok(Ok(all)) => self.own(all),
            Ok(Err(error)) => {
                tracing::warn!("new partitions are looked for later: {error}");
                Vec::new()
            }
            Err(error) => {
                tracing::warn!("new partitions are looked for later: {error}");
                Vec::new()
            }
        }
    }

    /// Of those that nobody has, the share of this reader: all readers know the same, and so agree.
    fn own(&mut self, all: Vec<Partition>) -> Vec<Partition> {
        let (subtask, parallelism) = (self.subtask, self.parallelism);
        let new = all
            .into_iter()
            .filter(|partition| self.known.insert(partition.id()));
        new.filter(|partition| reader_of(&partition.id(), parallelism) == subtask)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_new_partition_has_one_reader_and_each_reader_has_some() {
        for parallelism in [1, 2, 3, 8] {
            let mut loads = vec![0; parallelism as usize];
            for partition in 0..64 {
                loads[reader_of(&format!("topic/{partition}"), parallelism) as usize] += 1;
            }
            assert!(loads.iter().all(|load| *load > 0), "{loads:?}");
        }
    }
}
