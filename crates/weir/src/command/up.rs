//! `weir up`: a whole cluster on this machine.
//!
//! This process holds the metadata store and supervises a control plane and workers, each a process of its own, so that
//! any of them can die and be started again without the others.

use std::{
    fs::File,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nix::fcntl::{Flock, FlockArg};
use tokio_util::sync::CancellationToken;
use weir_control_plane::{private_postgres::PrivatePostgres, secrets::SecretKey};
use weir_env::{Clock, SystemClock};
use weir_model::api::Info;

use super::supervisor::Process;
use crate::{arguments::Up, client::Cluster, outcome::Outcome};

/// How long the control plane may take to answer after its start.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

pub(super) async fn up(arguments: Up) -> Result<(), Outcome> {
    super::init_log("warn");
    let shutdown = super::shutdown_signal()?;
    let data_dir = prepare_data_dir(&arguments.data_dir)?;
    let _lock = lock(&data_dir)?;
    make_secret_key(&secret_key_file(&data_dir))?;
    check_free(arguments.listen)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (postgres, database_url) = metadata_store(&arguments, &data_dir).await?;
    let result = run_cluster(&arguments, &data_dir, &database_url, &clock, &shutdown).await;
    if let Some(postgres) = postgres {
        postgres.stop().await;
    }
    result
}

/// The metadata store: the one given, or a private one (with the guard that stops it).
async fn metadata_store(
    arguments: &Up,
    data_dir: &Path,
) -> Result<(Option<PrivatePostgres>, String), Outcome> {
    if let Some(url) = &arguments.database_url {
        return Ok((None, url.clone()));
    }
    let postgres = PrivatePostgres::start(data_dir)
        .await
        .map_err(|e| Outcome::failed(e.to_string()))?;
    let url = postgres.url().to_owned();
    Ok((Some(postgres), url))
}

async fn run_cluster(
    arguments: &Up,
    data_dir: &Path,
    database_url: &str,
    clock: &Arc<dyn Clock>,
    shutdown: &CancellationToken,
) -> Result<(), Outcome> {
    let grpc = free_address(arguments.grpc_listen)?;
    let control_plane = control_plane(arguments, data_dir, database_url, grpc);
    let mut child = control_plane
        .spawn()
        .map_err(|e| cannot_start(&control_plane, &e))?;
    let stopped = tokio::select! {
        () = shutdown.cancelled() => true,
        ended = child.wait() => return Err(ended_early(&control_plane, ended)),
        ready = wait_ready(arguments.listen, &**clock) => ready.map(|()| false)?,
    };
    let mut supervised = Vec::new();
    let supervise = |process: Process, child| process.supervise(child, clock.clone(), shutdown.clone());
    supervised.push(tokio::spawn(supervise(control_plane, child)));
    if !stopped {
        for number in 1..=arguments.workers {
            let worker = worker(arguments, data_dir, grpc, number);
            let child = worker.spawn().map_err(|e| cannot_start(&worker, &e))?;
            supervised.push(tokio::spawn(supervise(worker, child)));
        }
        announce(arguments, data_dir);
    }
    shutdown.cancelled().await;
    eprintln!("stopping");
    for process in supervised {
        let _ = process.await;
    }
    Ok(())
}

fn announce(arguments: &Up, data_dir: &Path) {
    let Up {
        listen,
        workers,
        slots,
        ..
    } = arguments;
    super::say(&format!("Weir is up: http://{listen}"));
    super::say(&format!("  workers  {workers} with {slots} slots each"));
    super::say(&format!("  data     {}", data_dir.display()));
    super::say(&format!("  logs     {}", data_dir.join("logs").display()));
    super::say("Ctrl-C stops it.");
}

fn control_plane(arguments: &Up, data_dir: &Path, database_url: &str, grpc: SocketAddr) -> Process {
    let text = |s: &str| s.to_owned();
    Process {
        name: text("control-plane"),
        arguments: vec![
            text("control-plane"),
            text("--listen"),
            arguments.listen.to_string(),
            text("--grpc-listen"),
            grpc.to_string(),
            text("--data-dir"),
            data_dir.display().to_string(),
            text("--checkpoint-dir"),
            checkpoint_dir(arguments, data_dir),
            text("--secret-key-file"),
            secret_key_file(data_dir).display().to_string(),
        ],
        environment: vec![(text("DATABASE_URL"), database_url.to_owned())],
        log: data_dir.join("logs/control-plane.log"),
    }
}

fn secret_key_file(data_dir: &Path) -> PathBuf {
    data_dir.join("secret.key")
}

/// Makes the key that seals secrets, if there is none: a file that its owner alone may read.
fn make_secret_key(path: &Path) -> Result<(), Outcome> {
    let failed = |e: std::io::Error| {
        Outcome::failed(format!(
            "cannot make the key of secrets in {}: {e}",
            path.display()
        ))
    };
    if path.exists() {
        return Ok(());
    }
    let key = SecretKey::generate().ok_or_else(|| failed(std::io::ErrorKind::Other.into()))?;
    // Written aside and moved: a key that is cut off opens nothing.
    let aside = path.with_extension("new");
    let write = || {
        let mut file = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(key.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&aside, path)
    };
    write().map_err(failed)
}

/// Where checkpoints and savepoints go.
fn checkpoint_dir(arguments: &Up, data_dir: &Path) -> String {
    let default = || data_dir.join("state").display().to_string();
    arguments.checkpoint_dir.clone().unwrap_or_else(default)
}

fn worker(arguments: &Up, data_dir: &Path, grpc: SocketAddr, number: u32) -> Process {
    let text = |s: &str| s.to_owned();
    Process {
        name: format!("worker-{number}"),
        arguments: vec![
            text("worker"),
            text("--control-plane"),
            format!("http://{grpc}"),
            text("--slots"),
            arguments.slots.to_string(),
            text("--memory"),
            arguments.memory.to_string(),
            text("--state-dir"),
            data_dir.join("workers").display().to_string(),
        ],
        environment: Vec::new(),
        log: data_dir.join(format!("logs/worker-{number}.log")),
    }
}

fn prepare_data_dir(path: &Path) -> Result<PathBuf, Outcome> {
    std::fs::create_dir_all(path)
        .and_then(|()| path.canonicalize())
        .map_err(|e| {
            Outcome::failed(format!(
                "cannot use {} as the data directory: {e}",
                path.display()
            ))
        })
}

/// Holds the data directory for this process.
fn lock(data_dir: &Path) -> Result<Flock<File>, Outcome> {
    let path = data_dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| Outcome::failed(format!("cannot open {}: {e}", path.display())))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
        Outcome::failed(format!(
            "another `weir up` uses {}; stop it, or choose another --data-dir",
            data_dir.display()
        ))
    })
}

/// Refuses an address that is taken, before anything is started.
fn check_free(listen: SocketAddr) -> Result<(), Outcome> {
    TcpListener::bind(listen).map(drop).map_err(|e| {
        Outcome::failed(format!(
            "cannot listen on {listen}: {e}; choose another with --listen"
        ))
    })
}

/// The address itself, or one with a free port for port 0: the control plane keeps it through its restarts.
fn free_address(wanted: SocketAddr) -> Result<SocketAddr, Outcome> {
    TcpListener::bind(wanted)
        .and_then(|l| l.local_addr())
        .map_err(|e| {
            Outcome::failed(format!(
                "cannot listen on {wanted}: {e}; choose another with --grpc-listen"
            ))
        })
}

async fn wait_ready(listen: SocketAddr, clock: &dyn Clock) -> Result<(), Outcome> {
    let cluster = Cluster::at(&format!("http://{listen}"));
    let deadline = clock.elapsed() + READY_TIMEOUT;
    loop {
        match cluster.get::<Info>("info").await {
            Ok(_) => return Ok(()),
            Err(e) if clock.elapsed() > deadline => {
                let waited = READY_TIMEOUT.as_secs();
                return Err(Outcome::failed(format!(
                    "the control plane does not answer within {waited} s: {e}"
                )));
            }
            Err(_) => clock.sleep(Duration::from_millis(50)).await,
        }
    }
}

fn cannot_start(process: &Process, error: &std::io::Error) -> Outcome {
    Outcome::failed(format!("cannot start {}: {error}", process.name))
}

/// The child ended before it was ready: its log's last words say why.
fn ended_early(process: &Process, ended: std::io::Result<std::process::ExitStatus>) -> Outcome {
    let log = std::fs::read_to_string(&process.log).unwrap_or_default();
    let last = log
        .lines()
        .rev()
        .find(|l| !l.trim().is_empty())
        .unwrap_or("it said nothing")
        .to_owned();
    let status = ended.map_or_else(|e| e.to_string(), |s| s.to_string());
    let log = process.log.display();
    Outcome::failed(format!(
        "{} ended at its start ({status}): {last} (log: {log})",
        process.name
    ))
}
