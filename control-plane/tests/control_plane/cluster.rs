//! A control plane under test: its own database on one Postgres server for all tests, real sockets, short limits.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, types::Uuid};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use weir_control_plane::{
    Config, Handle, Limits, RestartStrategy,
    private_postgres::{PrivatePostgres, PrivatePostgresError},
    start,
};
use weir_env::{Clock, Ids, SystemClock, ids::SystemIds};
use weir_model::{JobId, Phase, api};

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A script whose job reads a bounded source and prints.
pub(crate) const SQL: &str = "CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '100');\n\
    CREATE TABLE shown (n BIGINT) WITH ('connector' = 'print');\n\
    INSERT INTO shown SELECT n FROM numbers";

static POSTGRES: OnceCell<PrivatePostgres> = OnceCell::const_new();

/// The server that all tests share. It ends with the test process, and its data folder serves the next run too.
async fn postgres() -> &'static PrivatePostgres {
    POSTGRES
        .get_or_init(|| async {
            let server = first_free_server().await;
            drop_old_databases(server.url()).await;
            server
        })
        .await
}

/// Several test processes at the same time each have a folder.
async fn first_free_server() -> PrivatePostgres {
    for n in 0.. {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("control-plane-postgres-{n}"));
        match PrivatePostgres::start(&folder).await {
            Err(PrivatePostgresError::InUse { .. }) => {}
            started => return started.expect("a private Postgres"),
        }
    }
    unreachable!("some folder is free")
}

async fn drop_old_databases(url: &str) {
    let mut admin = PgConnection::connect(url).await.expect("the server answers");
    let old: Vec<(String,)> = sqlx::query_as("SELECT datname FROM pg_database WHERE datname LIKE 'test_%'")
        .fetch_all(&mut admin)
        .await
        .expect("databases");
    for (name,) in old {
        let drop = sqlx::AssertSqlSafe(format!("DROP DATABASE {name}"));
        sqlx::query(drop).execute(&mut admin).await.expect("dropped");
    }
}

/// The URL of a new, empty database.
pub(crate) async fn database() -> String {
    let server = postgres().await.url();
    let mut admin = PgConnection::connect(server).await.expect("the server answers");
    let name = format!("test_{}", SystemIds.next().simple());
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut admin).await.expect("a database");
    server.replacen("/weir?", &format!("/{name}?"), 1)
}

pub(crate) fn limits() -> Limits {
    Limits {
        heartbeat_interval: Duration::from_millis(200),
        heartbeat_timeout: Duration::from_secs(1),
        adoption_grace: Duration::from_secs(2),
        tick: Duration::from_millis(100),
        restart: RestartStrategy::ExponentialDelay {
            first_ms: 100,
            max_ms: 60_000,
            multiplier: 2.0,
            jitter: 0.0,
            reset_after_ms: 600_000,
            attempts: 3,
        },
        ..Limits::default()
    }
}

pub(crate) struct Cluster {
    /// Where checkpoints and savepoints go, if they are taken.
    pub(crate) state: Option<TempDir>,
    pub(crate) handle: Handle,
    pub(crate) database_url: String,
    pub(crate) limits: Limits,
    shutdown: CancellationToken,
    client: reqwest::Client,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::start_on(database().await, limits(), 0, None).await
    }

    pub(crate) async fn with_limits(limits: Limits) -> Self {
        Self::start_on(database().await, limits, 0, None).await
    }

    /// One that takes checkpoints.
    pub(crate) async fn with_checkpoints() -> Self {
        let state = TempDir::new().expect("a folder");
        Self::start_on(database().await, limits(), 0, Some(state)).await
    }

    async fn start_on(database_url: String, limits: Limits, grpc_port: u16, state: Option<TempDir>) -> Self {
        let shutdown = CancellationToken::new();
        let example = api::Example {
            name: "numbers".into(),
            title: "Numbers".into(),
            description: "Prints numbers.".into(),
            sql: SQL.into(),
        };
        let config = Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            grpc_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, grpc_port)),
            database_url: database_url.clone(),
            state_url: state
                .as_ref()
                .map(|folder| format!("file://{}", folder.path().display())),
            secret_key: None,
            limits: limits.clone(),
            examples: vec![example],
            tables: |_| BTreeMap::new(),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let handle = start(config, clock, Arc::new(SystemIds), shutdown.clone())
            .await
            .expect("the control plane starts");
        Self {
            state,
            handle,
            database_url,
            limits,
            shutdown,
            client: reqwest::Client::new(),
        }
    }

    /// Stops this control plane and starts another one on the same database and port for workers.
    pub(crate) async fn restart(self) -> Self {
        let port = self.handle.grpc_address.port();
        self.shutdown.cancel();
        self.handle.join().await.expect("stops in order");
        Self::start_on(self.database_url, self.limits, port, self.state).await
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.handle.join())
            .await
            .expect("stops in time")
            .expect("stops in order");
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.handle.http_address)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let answer = self.request(Method::GET, path).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "GET {path}");
        answer.json().await.expect("the expected body")
    }

    pub(crate) async fn create_job(&self, parallelism: u32) -> api::Job {
        self.create_job_of(SQL, parallelism).await
    }

    pub(crate) async fn create_job_of(&self, sql: &str, parallelism: u32) -> api::Job {
        let body = json!({ "sql": sql, "parallelism": parallelism });
        self.post("/api/v1/jobs", &body, StatusCode::CREATED).await
    }

    /// Posts the body, and expects this status.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        expected: StatusCode,
    ) -> T {
        let answer = self
            .request(Method::POST, path)
            .json(body)
            .send()
            .await
            .expect("an answer");
        let status = answer.status();
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!(status, expected, "POST {path}: {body}");
        serde_json::from_value(body).expect("the expected body")
    }

    pub(crate) async fn job(&self, id: JobId) -> api::Job {
        self.get(&format!("/api/v1/jobs/{id}")).await
    }

    pub(crate) async fn wait_for(&self, id: JobId, phase: Phase) -> api::Job {
        self.wait_until(id, phase.as_str(), |job| job.phase == phase)
            .await
    }

    pub(crate) async fn wait_until(
        &self,
        id: JobId,
        what: &str,
        done: impl Fn(&api::Job) -> bool,
    ) -> api::Job {
        let clock = SystemClock::new();
        loop {
            let job = self.job(id).await;
            if done(&job) {
                return job;
            }
            assert!(clock.elapsed() < PATIENCE, "waited for {what}, but saw {job:?}");
            clock.sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn events(&self, id: JobId) -> Vec<String> {
        let list: api::EventList = self.get(&format!("/api/v1/jobs/{id}/events")).await;
        list.events.into_iter().rev().map(|event| event.kind).collect()
    }

    pub(crate) async fn workers(&self) -> Vec<api::Worker> {
        self.get::<api::WorkerList>("/api/v1/workers").await.workers
    }
}

/// Waits until `look` sees something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let clock = SystemClock::new();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(clock.elapsed() < PATIENCE, "waited in vain for {what}");
        clock.sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn unknown_job() -> JobId {
    JobId(Uuid::from_u128(42))
}
