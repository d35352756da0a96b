//! What a control plane is told at its start.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use weir_checkpoint::manifest::TableShape;
use weir_model::api::Example;
use weir_proto::graph::JobGraph;

use crate::{job::restart::RestartStrategy, secrets::SecretKey};

/// Where to listen, where the metadata is, and every limit.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where REST and the console are served. Port 0: any free one.
    pub listen: SocketAddr,
    /// Where workers connect. Port 0: any free one.
    pub grpc_listen: SocketAddr,
    /// The metadata store: `postgres://user@host/database`.
    pub database_url: String,
    /// Where checkpoints and savepoints go: the URL of a folder, `file:///...` or `s3://bucket/...`, that all workers
    /// reach. None: none are taken.
    pub state_url: Option<String>,
    /// Seals secrets; none: the cluster keeps none.
    pub secret_key: Option<SecretKey>,
    /// Bounds on requests, waiting and retries.
    pub limits: Limits,
    /// SQL that the editor offers to load.
    pub examples: Vec<Example>,
    /// Tells savepoints that a query cannot use before it is deployed.
    pub tables: TablesOf,
}

/// The tables of state that the operators of a graph keep, by uid, as far as they are known.
///
/// The engine knows them, which the control plane does not link.
pub type TablesOf = fn(&JobGraph) -> BTreeMap<String, Vec<TableShape>>;

/// Bounds on requests, waiting and retries.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a REST request may take before it is answered with 504. Default 30 s.
    pub request_timeout: Duration,
    /// The same for one that reads or writes a whole savepoint. Default 1 h.
    pub slow_request_timeout: Duration,
    /// Bytes of a request's body; more is answered with 413. Default 1 MiB.
    pub body_bytes: usize,
    /// How long to wait for the metadata store at the start. Default 30 s.
    pub database_wait: Duration,
    /// Connections to the metadata store. Default 10.
    pub database_connections: u32,
    /// How often workers are told to send a heartbeat. Default 1 s.
    pub heartbeat_interval: Duration,
    /// Silence after which a worker is lost. Default 5 s.
    pub heartbeat_timeout: Duration,
    /// How long a restarted control plane waits for the workers of running jobs before it calls them lost. Default 5 s.
    pub adoption_grace: Duration,
    /// How often jobs are looked at when nothing calls for it sooner. Default 500 ms, give or take a tenth.
    pub tick: Duration,
    /// How long tasks may take to come up before the execution counts as failed. Default 60 s.
    pub deploy_timeout: Duration,
    /// How long a lost worker stays on the list of workers. Default 1 h.
    pub lost_worker_retention: Duration,
    /// Rows of `print` sinks that are kept per job. Default 1000.
    pub printed_rows: u32,
    /// When failed jobs run again whose script says nothing of it.
    pub restart: RestartStrategy,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(30),
            slow_request_timeout: Duration::from_hours(1),
            body_bytes: 1024 * 1024,
            database_wait: Duration::from_secs(30),
            database_connections: 10,
            heartbeat_interval: Duration::from_secs(1),
            heartbeat_timeout: Duration::from_secs(5),
            adoption_grace: Duration::from_secs(5),
            tick: Duration::from_millis(500),
            deploy_timeout: Duration::from_mins(1),
            lost_worker_retention: Duration::from_hours(1),
            printed_rows: 1000,
            restart: RestartStrategy::default(),
        }
    }
}
