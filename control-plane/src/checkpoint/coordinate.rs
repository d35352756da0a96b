//! Begins to take the checkpoints of a deployment: a new one, or one that another control plane began.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::{sync::mpsc, task::JoinHandle};
use weir_checkpoint::manifest::{CheckpointId, Manifest};
use weir_proto::graph::JobGraph;

use super::{
    Coordinated, Input, Seen,
    driver::{Driver, STORE_AGAIN},
    history,
};
use crate::{context::Context, job::Job};

/// What is known of a job's checkpoints when a coordinator begins.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Complete ones that are kept.
    pub retained: Vec<CheckpointId>,
    /// Greater than the number of any that was begun.
    pub next: u64,
    /// What a coordinator left behind that is gone, for a deployment that is taken over.
    pub left: Option<Left>,
}

/// What a coordinator left behind that is gone.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// What it had begun and has no manifest, nor ever will.
    pub pending: Vec<CheckpointId>,
    /// The newest manifest of the deployment whose commits may not all be done.
    pub last: Option<Manifest>,
    /// The job stops when those are done.
    pub stops: bool,
}

/// Begins to take the checkpoints of the job's deployment.
pub fn begin(context: &Context, state_url: &str, job: &Job, graph: &JobGraph, known: Known) {
    attend(context, job, |seen, queue| {
        let driver = Driver::new(context, state_url, job, graph, known, seen);
        tokio::spawn(driver.run(queue))
    });
}

/// Takes the checkpoints of a deployment that another control plane began, as soon as it is known what that left.
pub fn take_over(context: &Context, state_url: &str, job: &Job, graph: JobGraph) {
    let (of, state_url, job_of) = (context.clone(), state_url.to_owned(), job.clone());
    attend(context, job, |seen, queue| {
        tokio::spawn(async move {
            if let Some(known) = found(&of, &job_of).await {
                let driver = Driver::new(&of, &state_url, &job_of, &graph, known, seen);
                driver.run(queue).await;
            }
        })
    });
}

/// What another control plane left; none when this one stops before that is known.
async fn found(context: &Context, job: &Job) -> Option<Known> {
    loop {
        match history::known_of_running(context, job).await {
            Ok(known) => return Some(known),
            Err(trouble) => tracing::warn!(job = %job.id, ?trouble, "its checkpoints are not known yet"),
        }
        tokio::select! {
            () = context.clock.sleep(STORE_AGAIN) => {}
            () = context.shutdown.cancelled() => return None,
        }
    }
}

/// Keeps the coordinator that `spawn` makes.
fn attend(
    context: &Context,
    job: &Job,
    spawn: impl FnOnce(Arc<Mutex<Seen>>, mpsc::UnboundedReceiver<Input>) -> JoinHandle<()>,
) {
    let (inputs, queue) = mpsc::unbounded_channel();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let coordinated = Coordinated {
        generation: job.generation,
        inputs,
        seen: Arc::clone(&seen),
        driver: spawn(seen, queue),
    };
    context.checkpoints.deployments.lock().insert(job.id, coordinated);
}
