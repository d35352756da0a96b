//! Workers, also those that are gone.

use sqlx::prelude::FromRow;
use uuid::Uuid;
use weir_model::{
    WorkerId,
    api::{Worker, WorkerState},
};

use super::{
    Store, StoreError,
    events::{self, NewEvent},
};

impl Store {
    /// Keeps the worker as alive, with the event of its registration.
    pub async fn worker_registered(&self, worker: &Worker, event: &NewEvent) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO workers (id, address, pid, slots, version, registered_at_ms, last_heartbeat_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (id) DO UPDATE SET address = EXCLUDED.address, pid = EXCLUDED.pid, slots = EXCLUDED.slots, \
             version = EXCLUDED.version, last_heartbeat_ms = EXCLUDED.last_heartbeat_ms, lost_at_ms = NULL",
        )
        .bind(worker.id.0)
        .bind(&worker.address)
        .bind(i64::from(worker.pid))
        .bind(worker.slots as i32)
        .bind(&worker.version)
        .bind(worker.registered_at_ms)
        .bind(worker.last_heartbeat_ms)
        .execute(&mut *tx)
        .await?;
        events::insert(&mut tx, event).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Keeps that the worker is lost, with what was last heard of it.
    pub async fn worker_lost(&self, worker: &Worker, event: &NewEvent) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query(
            "UPDATE workers SET lost_at_ms = $2, last_heartbeat_ms = $3, memory_bytes = $4 WHERE id = $1",
        )
        .bind(worker.id.0)
        .bind(event.at_ms)
        .bind(worker.last_heartbeat_ms)
        .bind(worker.memory_bytes as i64)
        .execute(&mut *tx)
        .await?;
        events::insert(&mut tx, event).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Workers that are kept as alive; after a restart of the control plane some of them may be gone.
    pub async fn workers_alive(&self) -> Result<Vec<Worker>, StoreError> {
        let rows: Vec<WorkerRow> = sqlx::query_as(
            "SELECT id, address, pid, slots, version, registered_at_ms, last_heartbeat_ms, memory_bytes, lost_at_ms \
             FROM workers WHERE lost_at_ms IS NULL ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Workers lost since then, the latest loss first.
    pub async fn workers_lost_since(&self, since_ms: i64) -> Result<Vec<Worker>, StoreError> {
        let rows: Vec<WorkerRow> = sqlx::query_as(
            "SELECT id, address, pid, slots, version, registered_at_ms, last_heartbeat_ms, memory_bytes, lost_at_ms \
             FROM workers WHERE lost_at_ms >= $1 ORDER BY lost_at_ms DESC LIMIT 1000",
        )
        .bind(since_ms)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }
}

#[derive(FromRow)]
struct WorkerRow {
    id: Uuid,
    address: String,
    pid: i64,
    slots: i32,
    version: String,
    registered_at_ms: i64,
    last_heartbeat_ms: i64,
    memory_bytes: i64,
    lost_at_ms: Option<i64>,
}

impl From<WorkerRow> for Worker {
    fn from(row: WorkerRow) -> Self {
        let WorkerRow {
            id,
            address,
            pid,
            slots,
            version,
            registered_at_ms,
            last_heartbeat_ms,
            memory_bytes,
            lost_at_ms,
        } = row;
        Self {
            id: WorkerId(id),
            address,
            pid: pid as u32,
            slots: slots as u32,
            free_slots: 0,
            state: if lost_at_ms.is_some() {
                WorkerState::Lost
            } else {
                WorkerState::Alive
            },
            registered_at_ms,
            last_heartbeat_ms,
            memory_bytes: memory_bytes as u64,
            cpu_milli: 0,
            version,
        }
    }
}
