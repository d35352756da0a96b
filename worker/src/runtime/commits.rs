//! What the sinks of a deployment have prepared, until it is committed.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use weir_connector::{Secrets, SinkFactory};
use weir_model::Failure;

/// When something may be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// With this checkpoint, or a later one.
    Checkpoint(u64),
    /// With a checkpoint that has the final state of its subtask.
    End,
}

/// What one sink writer has prepared. Shared by the writer and by who commits, so that it may outlive the writer.
#[derive(Debug)]
pub struct SinkCommits {
    /// The task and the subtask of the writer.
    pub subtask: (u32, u32),
    factory: Box<dyn SinkFactory>,
    /// What failures must not show.
    secrets: Arc<Secrets>,
    prepared: Mutex<Vec<(Since, String)>>,
    /// One commit at a time.
    committing: tokio::sync::Mutex<()>,
}

impl SinkCommits {
    /// Of a writer of this subtask, which the factory opened.
    pub fn new(subtask: (u32, u32), factory: Box<dyn SinkFactory>, secrets: Arc<Secrets>) -> Self {
        Self {
            subtask,
            factory,
            secrets,
            prepared: Mutex::default(),
            committing: tokio::sync::Mutex::default(),
        }
    }

    /// Keeps what was prepared at the barrier of a checkpoint. Returns all that is to be committed with it: what was prepared for
    /// earlier ones is not, if none of them was complete yet.
    pub fn prepare(&self, checkpoint: u64, commits: Vec<String>) -> Vec<String> {
        self.keep(Since::Checkpoint(checkpoint), commits);
        self.pending()
    }

    /// Keeps what was prepared at the end.
    pub fn finish(&self, commits: Vec<String>) {
        self.keep(Since::End, commits);
    }

    /// All that is to be committed.
    pub fn pending(&self) -> Vec<String> {
        let prepared = self.prepared.lock();
        prepared.iter().map(|(_, commit)| commit.clone()).collect()
    }

    fn keep(&self, since: Since, commits: Vec<String>) {
        let commits = commits.into_iter().map(|commit| (since, commit));
        self.prepared.lock().extend(commits);
    }

    /// Commits what was prepared for this checkpoint and earlier ones; at the end too, if that `has_ended`.
    pub async fn commit(&self, checkpoint: u64, has_ended: bool) -> Result<(), Failure> {
        let _one = self.committing.lock().await;
        let is_due = |since: Since| match since {
            Since::Checkpoint(prepared) => prepared <= checkpoint,
            Since::End => has_ended,
        };
        let due: Vec<String> = {
            let prepared = self.prepared.lock();
            let due = prepared.iter().filter(|(since, _)| is_due(*since));
            due.map(|(_, commit)| commit.clone()).collect()
        };
        if due.is_empty() {
            return Ok(());
        }
        let committed = self.factory.commit(&due).await;
        committed.map_err(|error| masked(error.into(), &self.secrets))?;
        self.prepared.lock().retain(|(since, _)| !is_due(*since));
        Ok(())
    }

    /// Commits at once what a job without checkpoints has written.
    pub async fn commit_now(&self, commits: &[String]) -> Result<(), Failure> {
        Ok(self.factory.commit(commits).await?)
    }
}

/// The failure without the values of secrets, which other systems may repeat.
pub fn masked(failure: Failure, secrets: &Secrets) -> Failure {
    Failure {
        message: secrets.mask(&failure.message),
        place: failure.place.map(|place| secrets.mask(&place)),
        ..failure
    }
}

/// The sinks of all subtasks of a deployment that run here.
#[derive(Debug, Default)]
pub struct Commits {
    sinks: Mutex<Vec<Arc<SinkCommits>>>,
}

impl Commits {
    /// Adds a writer.
    pub fn add(&self, sink: Arc<SinkCommits>) {
        self.sinks.lock().push(sink);
    }

    /// The subtasks (task, number) that have sinks, with theirs.
    pub fn by_subtask(&self) -> BTreeMap<(u32, u32), Vec<Arc<SinkCommits>>> {
        let mut by_subtask: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for sink in self.sinks.lock().iter() {
            by_subtask.entry(sink.subtask).or_default().push(Arc::clone(sink));
        }
        by_subtask
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use weir_connector::{ChangelogMode, ConnectorError, OptionError, Sink, SinkContext};

    use super::*;

    /// A system that repeats the login that it refuses.
    #[derive(Debug)]
    struct Refuses;

    #[async_trait]
    impl SinkFactory for Refuses {
        fn changelog_mode(&self) -> ChangelogMode {
            ChangelogMode::Append
        }

        async fn check(&self) -> Result<(), OptionError> {
            Ok(())
        }

        async fn open(&self, _: SinkContext) -> Result<Box<dyn Sink>, ConnectorError> {
            Err(ConnectorError::external("closed"))
        }

        async fn commit(&self, _: &[String]) -> Result<(), ConnectorError> {
            Err(ConnectorError::external("login weir:hunter22 is refused"))
        }
    }

    #[tokio::test]
    async fn a_commit_that_fails_shows_no_secret() {
        let secrets = [("db".to_owned(), "hunter22".to_owned())].into_iter().collect();
        let commits = SinkCommits::new((0, 0), Box::new(Refuses), Arc::new(secrets));
        commits.prepare(1, vec!["rows".to_owned()]);
        let failure = commits.commit(1, false).await.expect_err("it is refused");
        assert_eq!(failure.message, "login weir:${secret:db} is refused");
        assert_eq!(commits.pending(), ["rows"], "it is tried again");
    }
}
