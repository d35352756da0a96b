//! What files are called that a job writes, and which of them a failed execution left.

use crate::SinkContext;

/// How the files of one writer are called.
///
/// The name of a file says which checkpoint is the first that can have its rows: the one after the last that the writer saw.
/// So a later execution, which knows the checkpoint that it was restored from, tells files that are still to be committed
/// from what a failed one left, without a list of either.
#[derive(Clone, Debug)]
pub(super) struct Names {
    job: String,
    generation: u64,
    operator: u32,
    subtask: u32,
    ending: String,
}

impl Names {
    pub(super) fn new(context: &SinkContext, ending: String) -> Self {
        Self {
            job: plain(&context.job),
            generation: context.generation,
            operator: context.operator,
            subtask: context.subtask,
            ending,
        }
    }

    /// The writer's nth file of a checkpoint.
    pub(super) fn part(&self, checkpoint: u64, nth: usize) -> String {
        let Self {
            job,
            generation,
            operator,
            subtask,
            ending,
        } = self;
        format!("part-{job}-{generation}-{operator}-{subtask}-{checkpoint}-{nth}.{ending}")
    }
}

/// A job's name without what paths and our own names are made with.
fn plain(job: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    job.chars().map(plain).collect()
}

/// Files that no checkpoint will ever name.
#[derive(Clone, Debug)]
pub(super) struct Leftovers {
    job: String,
    generation: u64,
    restored: Option<u64>,
}

impl Leftovers {
    /// What older executions of the job left after the checkpoint that this one was restored from.
    pub(super) fn new(context: &SinkContext) -> Self {
        Self {
            job: plain(&context.job),
            generation: context.generation,
            restored: context.restored,
        }
    }

    /// Whether a file that is not visible, of this name, is one of them.
    pub(super) fn has(&self, name: &str) -> bool {
        let rest = name
            .strip_prefix("part-")
            .and_then(|name| name.strip_prefix(self.job.as_str()))
            .and_then(|name| name.strip_prefix('-'));
        let Some(rest) = rest else { return false };
        let [generation, _, _, checkpoint, _] = rest.split('-').collect::<Vec<_>>()[..] else {
            return false;
        };
        let (Ok(generation), Ok(checkpoint)) = (generation.parse::<u64>(), checkpoint.parse::<u64>()) else {
            return false;
        };
        // What the checkpoint has may still be waiting for its commit.
        generation < self.generation && self.restored.is_none_or(|restored| checkpoint > restored)
    }
}
