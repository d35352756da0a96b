//! Files that come to be while others are read, and which reader gets them.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use weir_env::Clock;

use super::{read::Factory, split::FileSplit, store::Found};
use crate::{ConnectorError, SourceContext, source::reader_of};

/// Looks for files once in a while.
pub(super) struct Watch {
    table: Arc<Factory>,
    interval: Duration,
    due: Duration,
    listing: Option<JoinHandle<Result<Vec<Found>, ConnectorError>>>,
    /// The ids of files that some reader has, had, or gets now.
    known: HashSet<String>,
    subtask: u32,
    parallelism: u32,
}

impl Watch {
    pub(super) fn new(table: &Factory, interval: Duration, context: &SourceContext) -> Self {
        Self {
            table: Arc::new(table.clone()),
            interval,
            due: context.clock.elapsed() + interval,
            listing: None,
            known: context.known_splits.iter().cloned().collect(),
            subtask: context.subtask,
            parallelism: context.parallelism.max(1),
        }
    }

    /// Waits until it is time, and returns the files that are new and this reader's; perhaps there are none. Cancel-safe.
    pub(super) async fn look(&mut self, clock: &Arc<dyn Clock>) -> Vec<FileSplit> {
        let listing = if let Some(listing) = &mut self.listing {
            listing
        } else {
            clock.sleep(self.due.saturating_sub(clock.elapsed())).await;
            let table = Arc::clone(&self.table);
            self.listing
                .insert(tokio::spawn(async move { table.list().await }))
        };
        let listed = listing
            .await
            .unwrap_or_else(|error| Err(ConnectorError::internal(error.to_string())));
        self.listing = None;
        self.due = clock.elapsed() + self.interval;
        match listed {
            Ok(files) => self.own(&files),
            Err(error) => {
                tracing::warn!("new files are looked for later: {error}");
                Vec::new()
            }
        }
    }

    /// Of those that nobody has, the share of this reader: all readers know the same, and so agree.
    fn own(&mut self, files: &[Found]) -> Vec<FileSplit> {
        let (subtask, parallelism) = (self.subtask, self.parallelism);
        let new = self.table.plan(files, 1).into_iter();
        let new = new.filter(|split| self.known.insert(split.id()));
        new.filter(|split| reader_of(&split.id(), parallelism) == subtask)
            .collect()
    }
}
