//! The checkpoints of deployments that run: a coordinator each, told what happens, and what it asks for done.
//!
//! - [`settings`]: what the job's graph says about checkpoints. Pure. Leans on nothing.
//! - [`folder`]: manifests and files in the state folder. Leans on nothing.
//! - [`garbage`]: what in the state folder is of no more use. Leans on `db`, `folder`.
//! - [`history`]: what the metadata store knows of checkpoints against what is there. Leans on `db`, `folder`.
//! - [`driver`]: one deployment's coordinator at work. Leans on all of the above and on `cluster`.
//! - `ending`: what it does about checkpoints that have ended. Leans on `driver`.
//! - [`coordinate`]: begins to take the checkpoints of a deployment. Leans on `driver`, `history`.
//! - [`begin`]: what a new deployment begins with. Leans on `history`.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::{sync::mpsc, task::JoinHandle};
use weir_checkpoint::coordinator::{Event, Savepoint};
use weir_model::{Failure, Generation, JobId, SavepointId};

use crate::job::{
    Job,
    observed::{self, Handover},
};

pub mod begin;
pub mod coordinate;
pub mod driver;
mod ending;
pub mod folder;
pub mod garbage;
pub mod history;
pub mod settings;

/// The coordinators of all deployments. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Checkpoints {
    deployments: Arc<Mutex<HashMap<JobId, Coordinated>>>,
}

/// What is told to a deployment's coordinator.
#[derive(Clone, Debug)]
pub enum Input {
    /// Something has happened.
    Event(Event),
    /// Somebody asks for a savepoint.
    Savepoint {
        /// Which one of the catalogue.
        id: SavepointId,
        /// Where it goes, and what the job does then.
        savepoint: Savepoint,
    },
    /// The job is to be rescaled: a checkpoint of its own is wanted at once.
    Checkpoint,
}

/// What a deployment's coordinator has come to.
#[derive(Clone, Debug, Default)]
struct Seen {
    done: bool,
    failure: Option<Failure>,
    /// The checkpoint for a stop or a rescale: the savepoint that it is, and how it stands.
    handover: Option<(Option<SavepointId>, Handover)>,
}

impl Seen {
    /// Notes that the checkpoint for a stop with this savepoint, or for a rescale, is asked for. False if it is there already.
    fn ask_for(&mut self, savepoint: Option<SavepointId>) -> bool {
        if matches!(self.handover, Some((of, Handover::Complete { .. })) if of == savepoint) {
            return false;
        }
        self.handover = Some((savepoint, Handover::Asked));
        true
    }
}

#[derive(Debug)]
struct Coordinated {
    generation: Generation,
    inputs: mpsc::UnboundedSender<Input>,
    seen: Arc<Mutex<Seen>>,
    driver: JoinHandle<()>,
}

impl Checkpoints {
    /// Tells the coordinator of this deployment. False when there is none.
    pub fn tell(&self, job: JobId, generation: Generation, input: Input) -> bool {
        let deployments = self.deployments.lock();
        let coordinated = deployments.get(&job).filter(|c| c.generation == generation);
        coordinated.is_some_and(|coordinated| coordinated.inputs.send(input).is_ok())
    }

    /// Has the checkpoint taken that the job stops with or is rescaled from, unless it has come to be there since the job was looked at: a
    /// coordinator that takes a deployment over may find it, and has ended then. False when there is no coordinator.
    pub fn hand_over(&self, job: &Job, input: Input) -> bool {
        let deployments = self.deployments.lock();
        let Some(coordinated) = deployments
            .get(&job.id)
            .filter(|c| c.generation == job.generation)
        else {
            return false;
        };
        let is_wanted = coordinated.seen.lock().ask_for(job.stop_savepoint);
        !is_wanted || coordinated.inputs.send(input).is_ok()
    }

    /// What is seen of the checkpoints of the job's deployment.
    pub fn observe(&self, job: &Job) -> observed::Checkpoints {
        let deployments = self.deployments.lock();
        let Some(coordinated) = deployments
            .get(&job.id)
            .filter(|c| c.generation == job.generation)
        else {
            return observed::Checkpoints::default();
        };
        let Seen {
            done,
            failure,
            handover,
        } = coordinated.seen.lock().clone();
        let handover = handover.filter(|(savepoint, _)| *savepoint == job.stop_savepoint);
        observed::Checkpoints {
            taken: true,
            done,
            failure,
            handover: handover.map(|(_, handover)| handover).unwrap_or_default(),
        }
    }

    /// The job's deployment has failed or is stopped: nothing is begun any more.
    pub fn end(&self, job: JobId, why: Failure) {
        if let Some(coordinated) = self.deployments.lock().get(&job) {
            let _ = coordinated.inputs.send(Input::Event(Event::Ended(why)));
        }
    }

    /// Ends the job's coordinator, and returns when all that it has begun is known to be there or not.
    pub async fn close(&self, job: JobId) {
        let closed = self.deployments.lock().remove(&job);
        if let Some(Coordinated { inputs, driver, .. }) = closed {
            drop(inputs);
            if let Err(error) = driver.await {
                tracing::error!(%error, %job, "a coordinator panicked");
            }
        }
    }

    /// The same without waiting for it.
    pub fn forget(&self, job: JobId) {
        self.deployments.lock().remove(&job);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_savepoint_that_came_to_be_there_since_the_job_was_looked_at_is_not_asked_for_again() {
        let savepoint = Some(SavepointId(Uuid::from_u128(1)));
        let mut seen = Seen::default();
        assert!(seen.ask_for(savepoint));
        assert_eq!(seen.handover, Some((savepoint, Handover::Asked)));
        let complete = Some((savepoint, Handover::Complete { number: 16 }));
        seen.handover.clone_from(&complete);
        assert!(!seen.ask_for(savepoint));
        assert_eq!(seen.handover, complete);
        let other = Some(SavepointId(Uuid::from_u128(2)));
        assert!(seen.ask_for(other), "of another stop it says nothing");
        let failed = Handover::Failed { why: "full".into() };
        seen.handover = Some((other, failed));
        assert!(seen.ask_for(other), "one that was given up is taken again");
    }
}
