//! SQL to a plan.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};
use weir_connector::Secrets;
use weir_model::{ErrorCode, Problem};
use weir_planner::{DefinedTable, PlanOptions, Planned};

/// Plans at the same time: each keeps a core busy, and requests that only read must go on.
const AT_ONCE: usize = 4;

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
    pub async fn plan(
        &self,
        sql: &str,
        parallelism: Option<u32>,
        secrets: Arc<Secrets>,
    ) -> Result<Planned, Problem> {
        let _turn = self.turn().await?;
        let options = PlanOptions { parallelism, secrets };
        weir_planner::plan(sql, &options).await
    }

    /// The tables that a script defines, or what is wrong with it.
    pub async fn tables(&self, sql: &str, secrets: Arc<Secrets>) -> Result<Vec<DefinedTable>, Problem> {
        let _turn = self.turn().await?;
        weir_planner::tables(sql, secrets).await
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let turn = self.turns.acquire().await;
        turn.map_err(|_| Problem::new(ErrorCode::Internal, "the planner is closed"))
    }
}
