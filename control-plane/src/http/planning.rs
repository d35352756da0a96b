//! SQL to a plan, off the threads that serve requests.

use std::sync::Arc;

use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot},
};
use weir_model::{ErrorCode, Problem};
use weir_planner::{PlanOptions, Planned};

/// Plans at the same time.
const AT_ONCE: usize = 4;

/// Planning recurses as deep as the SQL nests; this is room for what the parser lets through.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// Turns SQL into plans. A cheap handle.
#[derive(Clone, Debug)]
pub struct Planner {
    turns: Arc<Semaphore>,
}

impl Default for Planner {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Planner {
    /// The plan of the script, or what is wrong with it.
    ///
    /// Planning is heavy on the CPU and on the stack, so that each plan gets a thread of its own.
    pub async fn plan(&self, sql: String, parallelism: Option<u32>) -> Result<Planned, Problem> {
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|_| defect("is closed"))?;
        let (answer, planned) = oneshot::channel();
        let runtime = Handle::current();
        let work = move || {
            let planned = runtime.block_on(weir_planner::plan(&sql, &PlanOptions { parallelism }));
            drop(turn);
            // The request may have been given up.
            let _ = answer.send(planned);
        };
        std::thread::Builder::new()
            .name("weir-planner".into())
            .stack_size(STACK_BYTES)
            .spawn(work)
            .map_err(|error| defect(&format!("cannot have a thread: {error}")))?;
        // The other end is dropped without an answer only when the thread panics.
        planned
            .await
            .unwrap_or_else(|_| Err(defect("panicked on this script; the server's log says more")))
    }
}

fn defect(what: &str) -> Problem {
    Problem::new(
        ErrorCode::Internal,
        format!("a defect in Weir: the planner {what}"),
    )
}
