//! The control plane: keeps what is wanted in Postgres, sees what workers do, and brings the one to the other.
//!
//! It never links the engine: workers are processes of their own, whose tasks go on while the control plane restarts.
//! In reading order:
//!
//! - [`config`]: what it is told at its start. Leans on nothing.
//! - [`context`]: the handles that the parts share.
//! - [`db`]: the metadata store, the only place with SQL against it. Leans on `job`'s records.
//! - [`secrets`]: values that tables name, sealed. Leans on `db`.
//! - [`schedule`]: which worker runs which subtasks. Pure.
//! - [`cluster`]: what is seen of workers and deployments, in memory. Leans on `schedule`.
//! - [`job`]: the life of a job: decide, perform, reconcile. Leans on `db` and `cluster`.
//! - [`metrics`]: live numbers. Leans on nothing.
//! - [`grpc`]: the service that workers connect to. Leans on `cluster`, `db` and `metrics`.
//! - [`http`]: the REST API, the console and probes. Leans on all of the above.
//! - [`private_postgres`]: a Postgres server of one's own, for those who bring none. Leans on nothing.

use std::{net::SocketAddr, sync::Arc};

use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use weir_checkpoint::storage::Stores;
use weir_env::{Clock, Ids};
use weir_model::Failure;

pub mod checkpoint;
pub mod cluster;
pub mod config;
pub mod context;
pub mod db;
pub mod grpc;
pub mod http;
pub mod job;
pub mod metrics;
pub mod private_postgres;
pub mod schedule;
pub mod secrets;

pub use config::{Config, Limits};
pub use job::restart::RestartStrategy;

use checkpoint::Checkpoints;
use cluster::Cluster;
use context::{Context, Moves, Wake};
use db::{Store, StoreError};
use metrics::Metrics;

/// Why a control plane could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {purpose}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What it is for.
        purpose: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// The folder for checkpoints cannot be one.
    #[error("checkpoints cannot be taken: {0}")]
    StateFolder(Failure),
    /// The metadata store is of no use.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A control plane that runs.
#[derive(Debug)]
pub struct Handle {
    /// Where REST and the console are served.
    pub http_address: SocketAddr,
    /// Where workers connect.
    pub grpc_address: SocketAddr,
    tasks: JoinSet<Result<(), String>>,
    shutdown: CancellationToken,
    store: Store,
}

/// A part of the control plane ended though nobody had asked for it.
#[derive(Debug, thiserror::Error)]
#[error("the control plane stopped: {0}")]
pub struct Stopped(String);

impl Handle {
    /// Returns when the control plane has stopped: `Ok` after the shutdown token was cancelled.
    pub async fn join(mut self) -> Result<(), Stopped> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let ended = ended.unwrap_or_else(|panic| Err(panic.to_string()));
            if let Err(why) = ended
                && result.is_ok()
            {
                result = Err(Stopped(why));
            }
            // One part without the others is of no use.
            self.shutdown.cancel();
        }
        self.store.close().await;
        result
    }
}

/// Starts a control plane, which runs until `shutdown` is cancelled.
///
/// When this returns both addresses are bound, the schema is up to date and requests are served. Jobs that ran before
/// are taken over from the workers that come back.
pub async fn start(
    config: Config,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    shutdown: CancellationToken,
) -> Result<Handle, StartError> {
    let Config {
        listen,
        grpc_listen,
        database_url,
        state_url,
        secret_key,
        limits,
        examples,
        tables,
    } = config;
    let stores = Stores::new(Arc::clone(&clock), Vec::new());
    if let Some(url) = &state_url {
        stores.folder(url).map_err(StartError::StateFolder)?;
    }
    let (http_listener, http_address) = bind(listen, "the console and the REST API").await?;
    let (grpc_listener, grpc_address) = bind(grpc_listen, "workers").await?;
    let store = Store::open(
        &database_url,
        limits.database_connections,
        limits.database_wait,
        clock.as_ref(),
    )
    .await?;
    let context = Context {
        store: store.clone(),
        cluster: Cluster::new(Arc::clone(&clock)),
        checkpoints: Checkpoints::default(),
        stores,
        tables,
        state_url: state_url.map(Into::into),
        secret_key,
        metrics: Metrics::new(Arc::clone(&clock)),
        wake: Wake::default(),
        moves: Moves::default(),
        clock,
        ids,
        limits: Arc::new(limits),
        shutdown: shutdown.clone(),
    };
    restore(&context).await?;
    let mut tasks = JoinSet::new();
    let app = http::App::new(context.clone(), examples);
    tasks.spawn(async move {
        http::serve(app, http_listener)
            .await
            .map_err(|e| format!("serving REST: {e}"))
    });
    let grpc = grpc::serve(context.clone(), grpc_listener);
    tasks.spawn(async move { grpc.await.map_err(|e| format!("serving workers: {e}")) });
    tasks.spawn(give_up_missing_workers(context.clone()));
    tasks.spawn(async move {
        job::reconcile::run(context).await;
        Ok(())
    });
    tracing::info!(%http_address, %grpc_address, "the control plane serves");
    Ok(Handle {
        http_address,
        grpc_address,
        tasks,
        shutdown,
        store,
    })
}

async fn bind(address: SocketAddr, purpose: &'static str) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen {
        address,
        purpose,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Awaits the workers of what ran when the control plane stopped.
async fn restore(context: &Context) -> Result<(), StoreError> {
    for open in context.store.open_executions().await? {
        context.cluster.restore(
            open.job,
            open.generation,
            &open.placement,
            context.limits.adoption_grace,
        );
        if let Some(state_url) = &context.state_url {
            let job = context.store.job(open.job).await?;
            let graph = context.store.graph_of_job(open.job).await?;
            checkpoint::coordinate::take_over(context, state_url, &job, graph);
        }
    }
    Ok(())
}

/// Calls those workers lost that were alive before the control plane's start and do not come back.
async fn give_up_missing_workers(context: Context) -> Result<(), String> {
    tokio::select! {
        () = context.clock.sleep(context.limits.adoption_grace) => {}
        () = context.shutdown.cancelled() => return Ok(()),
    }
    match context.store.workers_alive().await {
        Ok(workers) => {
            for worker in workers
                .iter()
                .filter(|worker| !context.cluster.is_connected(worker.id))
            {
                let why = "it did not come back after a restart of the control plane";
                grpc::session::worker_lost(&context, worker, why).await;
            }
        }
        Err(error) => tracing::error!(%error, "workers that are gone could not be looked up"),
    }
    context.shutdown.cancelled().await;
    Ok(())
}
