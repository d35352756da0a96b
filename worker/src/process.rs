//! The worker process: its session with the control plane, its exchange, its tasks.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::{net::TcpListener, runtime::Handle as Runtime, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Server, server::TcpIncoming};
use weir_checkpoint::storage::Stores;
use weir_env::{Clock, Ids};
use weir_model::WorkerId;
use weir_proto::{control::Hello, exchange::exchange_server::ExchangeServer};

use crate::{
    exchange::{
        CONNECTION_WINDOW_BYTES, FRAME_BYTES, MAX_MESSAGE_BYTES,
        receive::{ExchangeService, Inbound},
        remote::Peers,
    },
    runtime::{compute::Compute, deployment::Network},
    session::{Session, checkpoints::Storage, duty::Duty, endpoint, process::own_bytes},
    state::{MemoryBudget, copies::LocalCopies, local::LocalFolder},
};

/// How a worker is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The control plane's gRPC address, a URI.
    pub control_plane: String,
    /// Where other workers reach this one's exchange. Port 0: any free one.
    pub exchange_listen: SocketAddr,
    /// The host name or address under which other workers reach this one.
    pub advertise_host: String,
    /// Slots to offer: how many subtasks of each task of a job may run here.
    pub slots: u32,
    /// Threads that run tasks, at least one. Other threads answer the network.
    pub threads: usize,
    /// A folder for the databases of state and for copies of checkpoints' files. What is in it may be lost.
    pub state_dir: PathBuf,
    /// Bytes of memory to divide: see `MemoryBudget`.
    pub memory_bytes: u64,
    /// Makes the allocator give back at once what is freed, from then on: called when memory is short.
    pub give_back: fn(),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            control_plane: "http://127.0.0.1:8474".to_owned(),
            exchange_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            advertise_host: "127.0.0.1".to_owned(),
            slots: 4,
            threads: std::thread::available_parallelism().map_or(1, Into::into),
            state_dir: std::env::temp_dir().join("weir-state"),
            memory_bytes: 2 << 30,
            give_back: || {},
        }
    }
}

/// Why a worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The exchange's address cannot be listened on.
    #[error("cannot listen on {address} for other workers: {source}; is the address in use?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The control plane's address is not one.
    #[error(
        "'{uri}' is not the address of a control plane, which looks like http://127.0.0.1:8474: {source}"
    )]
    ControlPlane {
        /// What was given.
        uri: String,
        /// What is wrong with it.
        source: tonic::transport::Error,
    },
    /// The folder for state cannot be used.
    #[error("cannot make a folder for state in {path}: {source}; choose another with --state-dir")]
    StateDir {
        /// The folder above it.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The threads for tasks cannot be started.
    #[error("cannot start {threads} threads for tasks: {source}")]
    Threads {
        /// How many.
        threads: usize,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A worker that runs.
#[derive(Debug)]
pub struct Handle {
    /// Its id, new at each start.
    pub id: WorkerId,
    /// Where its exchange answers, host:port.
    pub exchange_address: String,
    session: JoinHandle<()>,
    exchange: JoinHandle<()>,
    _compute: Compute,
}

impl Handle {
    /// Returns when the worker has shut down.
    pub async fn join(self) {
        for part in [self.session, self.exchange] {
            if let Err(error) = part.await {
                tracing::error!(%error, "a part of the worker panicked");
            }
        }
    }
}

/// Starts a worker on the current runtime; its tasks get threads of their own. It runs until `shutdown`, whether the
/// control plane answers or not.
pub async fn start(
    config: Config,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    shutdown: CancellationToken,
) -> Result<Handle, StartError> {
    let Config {
        control_plane,
        exchange_listen,
        advertise_host,
        slots,
        threads,
        state_dir,
        memory_bytes,
        give_back,
    } = config;
    let endpoint = endpoint(&control_plane).map_err(|source| StartError::ControlPlane {
        uri: control_plane.clone(),
        source,
    })?;
    let compute = Compute::new(threads).map_err(|source| StartError::Threads { threads, source })?;
    let cannot_listen = |source| StartError::Listen {
        address: exchange_listen,
        source,
    };
    let listener = TcpListener::bind(exchange_listen).await.map_err(cannot_listen)?;
    let port = listener.local_addr().map_err(cannot_listen)?.port();
    let exchange_address = format!("{advertise_host}:{port}");

    let inbound = Arc::new(Inbound::new(Arc::clone(&clock)));
    let peers = Arc::new(Peers::new(
        exchange_address.clone(),
        Runtime::current(),
        Arc::clone(&clock),
    ));
    let exchange = tokio::spawn(serve(listener, Arc::clone(&inbound), shutdown.clone()));
    let id = ids.worker();
    let network = Network { inbound, peers };
    let local = LocalFolder::claim(&state_dir, &id.to_string()).map_err(|source| StartError::StateDir {
        path: state_dir,
        source,
    })?;
    let storage = Storage {
        copies: Arc::new(LocalCopies::open(local.copies(), clock.elapsed())),
        local: Arc::new(local),
        memory: Arc::new(MemoryBudget::new(memory_bytes)),
        stores: Stores::new(Arc::clone(&clock), Vec::new()),
        runtime: Runtime::current(),
    };
    let (budget, time, ended) = (Arc::clone(&storage.memory), Arc::clone(&clock), shutdown.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = ended.cancelled() => {}
            () = budget.watch(&*time, own_bytes, give_back) => {}
        }
    });
    let (duty, events) = Duty::new(
        id.to_string(),
        compute.handle(),
        network,
        Arc::clone(&clock),
        ids,
        storage,
    );
    let hello = Hello {
        worker_id: id.to_string(),
        exchange_address: exchange_address.clone(),
        slots,
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        deployments: Vec::new(),
    };
    let session = tokio::spawn(
        Session {
            endpoint,
            hello,
            duty,
            events,
            clock,
        }
        .run(shutdown),
    );
    Ok(Handle {
        id,
        exchange_address,
        session,
        exchange,
        _compute: compute,
    })
}

async fn serve(listener: TcpListener, inbound: Arc<Inbound>, shutdown: CancellationToken) {
    let service = ExchangeServer::new(ExchangeService::new(inbound))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let server = Server::builder()
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .initial_stream_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .http2_keepalive_interval(Some(Duration::from_secs(2)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .add_service(service)
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
    // Connections of other workers stay open for ever: nobody waits for their end.
    tokio::select! {
        served = server => {
            if let Err(error) = served {
                tracing::error!(%error, "the exchange stopped");
            }
        }
        () = shutdown.cancelled() => {}
    }
}
