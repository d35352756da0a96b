//! Transactional ids: what they are called, which are free, and which ones another execution left.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::SinkContext;

/// What ids begin with if the table does not say.
const PREFIX: &str = "weir";

/// How one writer's ids are called: `PREFIX.SINK.JOB.GENERATION.SUBTASK.NUMBER`.
///
/// An execution never uses an id of another one, so that what a checkpoint has to commit stays as it is until it is committed, whoever
/// begins with it.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// Prefix and sink.
    sink: String,
    /// The prefix is the table's own: other jobs that use it were this one under another id.
    has_own_prefix: bool,
    job: String,
    generation: u64,
    subtask: u32,
    parallelism: u32,
}

/// An id that an earlier execution left to this writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) id: String,
    /// None: of another job.
    pub(super) generation: Option<u64>,
}

impl Names {
    pub(super) fn new(prefix: Option<&str>, context: &SinkContext) -> Self {
        Self {
            sink: format!("{}.{}", prefix.unwrap_or(PREFIX), context.uid),
            has_own_prefix: prefix.is_some(),
            job: context.job.clone(),
            generation: context.generation,
            subtask: context.subtask,
            parallelism: context.parallelism,
        }
    }

    /// The nth id of the writer.
    pub(super) fn id(&self, number: u32) -> String {
        let Self {
            sink,
            job,
            generation,
            subtask,
            ..
        } = self;
        format!("{sink}.{job}.{generation}.{subtask}.{number}")
    }

    /// The id, if an earlier execution left it and it is for this writer to end: it was of a writer whose commits this one has done, which
    /// are those with its own number modulo the parallelism.
    pub(super) fn left(&self, id: &str) -> Option<Left> {
        let mut parts = id.strip_prefix(&self.sink)?.strip_prefix('.')?.split('.');
        let job = parts.next()?;
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (generation, subtask, _) = (number()?, number()?, number()?);
        if parts.next().is_some() || subtask % u64::from(self.parallelism) != u64::from(self.subtask) {
            return None;
        }
        let is_same = job == self.job;
        let is_left = if is_same {
            generation < self.generation
        } else {
            self.has_own_prefix
        };
        is_left.then(|| Left {
            id: id.to_owned(),
            generation: is_same.then_some(generation),
        })
    }
}

/// Which ids of a writer are free. Shared with who commits.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool(Arc<Mutex<Numbers>>);

#[derive(Debug, Default)]
struct Numbers {
    /// Those that were committed, the oldest commit first.
    free: VecDeque<u32>,
    /// How many there are.
    count: u32,
    /// Those that are to be committed, by id.
    prepared: HashMap<String, (u32, Transaction)>,
}

/// A transaction, unlike any other that there ever was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
}

impl Pool {
    /// A number whose id is in no transaction.
    ///
    /// The last that was committed rests, so that the coordinator still knows of it if a failure makes us ask again.
    pub(super) fn take(&self) -> u32 {
        let mut numbers = self.0.lock();
        if numbers.free.len() > 1
            && let Some(number) = numbers.free.pop_front()
        {
            return number;
        }
        numbers.count += 1;
        numbers.count - 1
    }

    /// The id of this number is to be committed.
    pub(super) fn prepared(&self, number: u32, id: String, transaction: Transaction) {
        self.0.lock().prepared.insert(id, (number, transaction));
    }

    /// The id was committed.
    pub(super) fn committed(&self, id: &str) {
        let mut numbers = self.0.lock();
        if let Some((number, _)) = numbers.prepared.remove(id) {
            numbers.free.push_back(number);
        }
    }

    /// Ids that are to be committed.
    pub(super) fn pending(&self) -> Vec<(String, Transaction)> {
        let numbers = self.0.lock();
        let prepared = numbers.prepared.iter();
        prepared
            .map(|(id, (_, transaction))| (id.clone(), *transaction))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(prefix: Option<&str>, subtask: u32, parallelism: u32) -> Names {
        Names {
            sink: format!("{}.sink-t.x", prefix.unwrap_or(PREFIX)),
            has_own_prefix: prefix.is_some(),
            job: "job-1".into(),
            generation: 7,
            subtask,
            parallelism,
        }
    }

    #[test]
    fn a_writer_ends_what_writers_of_before_left_that_fall_to_it() {
        let generation = |names: &Names, id: &str| names.left(id).map(|left| left.generation);
        let ours = names(None, 1, 2);
        assert_eq!(ours.id(3), "weir.sink-t.x.job-1.7.1.3");
        assert_eq!(generation(&ours, "weir.sink-t.x.job-1.6.3.0"), Some(Some(6)));
        for other in [
            "weir.sink-t.x.job-1.7.1.0",
            "weir.sink-t.x.job-1.8.1.0",
            "weir.sink-t.x.job-1.6.2.0",
            "weir.sink-t.job-1.6.1.0",
            "weir.sink-t.x.y.job-1.6.1.0",
            "weir.sink-t.x.job-2.6.1.0",
            "weir.sink-t.x.job-1.6.1",
            "else.sink-t.x.job-1.6.1.0",
        ] {
            assert_eq!(generation(&ours, other), None, "{other}");
        }
        let own = names(Some("p"), 0, 1);
        assert_eq!(generation(&own, "p.sink-t.x.job-2.9.5.1"), Some(None));
    }

    #[test]
    fn an_id_is_used_again_when_another_was_committed_after_it() {
        let pool = Pool::default();
        let transaction = Transaction {
            producer_id: 1,
            epoch: 0,
        };
        let mut taken = Vec::new();
        for _ in 0..6 {
            let number = pool.take();
            taken.push(number);
            pool.prepared(number, number.to_string(), transaction);
            assert_eq!(pool.pending().len(), 1);
            pool.committed(&number.to_string());
            pool.committed(&number.to_string());
        }
        assert_eq!(taken, [0, 1, 0, 1, 0, 1]);
        let waiting = pool.take();
        pool.prepared(waiting, "waits".into(), transaction);
        assert_ne!(pool.take(), waiting);
    }
}
