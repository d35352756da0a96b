//! A schema registry for a test, in memory: what Confluent's documents of its REST API for Avro, and no more. Registries of others are
//! not to be had here without a container.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use anyhow::Result;
use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// A running server, stopped when dropped.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    shared: Shared,
    serving: JoinHandle<()>,
}

type Shared = Arc<Mutex<Kept>>;

/// What the server has, and how it is to behave.
#[derive(Debug, Default)]
pub struct Kept {
    /// Each with its references; the id of the first is 1.
    pub schemas: Vec<Value>,
    /// The ids of the versions of each subject; the first is 1.
    pub subjects: BTreeMap<String, Vec<usize>>,
    /// So many requests of schemas from now on are answered with an error of the server.
    pub failing: u32,
    /// How many were.
    pub failed: u32,
    /// What requests must have in `Authorization`.
    pub login: Option<String>,
    /// How many requests there were.
    pub requests: u32,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Registry {
    /// Starts a server without schemas.
    pub async fn start() -> Result<Self> {
        let shared = Shared::default();
        let app = Router::new()
            .route("/subjects", get(subjects))
            .route("/subjects/{subject}/versions", post(register))
            .route("/subjects/{subject}/versions/{version}", get(version))
            .route("/schemas/ids/{id}", get(schema))
            .layer(middleware::from_fn_with_state(Arc::clone(&shared), behave))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                eprintln!("the registry ends: {error}");
            }
        });
        Ok(Self {
            address,
            shared,
            serving,
        })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has.
    pub fn kept(&self) -> MutexGuard<'_, Kept> {
        self.shared.lock().expect("no test panics with it")
    }

    /// Registers a schema and returns its id.
    pub fn add(&self, subject: &str, schema: &str) -> usize {
        self.kept().add(subject, json!({ "schema": schema }))
    }
}

impl Kept {
    fn add(&mut self, subject: &str, schema: Value) -> usize {
        let known = self.schemas.iter().position(|known| *known == schema);
        let id = known.map_or_else(
            || {
                self.schemas.push(schema);
                self.schemas.len()
            },
            |known| known + 1,
        );
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        if !versions.contains(&id) {
            versions.push(id);
        }
        id
    }

    fn schema(&self, id: usize) -> Option<Value> {
        self.schemas.get(id.checked_sub(1)?).cloned()
    }
}

async fn behave(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    {
        let mut kept = shared.lock().expect("no test panics with it");
        kept.requests += 1;
        if kept.failing > 0 && request.uri().path().starts_with("/schemas/") {
            kept.failing -= 1;
            kept.failed += 1;
            return refused(
                StatusCode::INTERNAL_SERVER_ERROR,
                50001,
                "Error in the backend datastore",
            );
        }
        let given = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        if kept.login.is_some() && kept.login.as_deref() != given {
            return refused(StatusCode::UNAUTHORIZED, 401, "Unauthorized");
        }
    }
    next.run(request).await
}

fn refused(status: StatusCode, code: u32, message: &str) -> Response {
    (status, Json(json!({ "error_code": code, "message": message }))).into_response()
}

async fn subjects(State(shared): State<Shared>) -> Json<Vec<String>> {
    let kept = shared.lock().expect("no test panics with it");
    Json(kept.subjects.keys().cloned().collect())
}

async fn register(
    State(shared): State<Shared>,
    Path(subject): Path<String>,
    Json(schema): Json<Value>,
) -> Response {
    if schema["schema"]
        .as_str()
        .is_none_or(|text| serde_json::from_str::<Value>(text).is_err())
    {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, 42201, "Invalid schema");
    }
    let id = shared
        .lock()
        .expect("no test panics with it")
        .add(&subject, schema);
    Json(json!({ "id": id })).into_response()
}

async fn schema(State(shared): State<Shared>, Path(id): Path<usize>) -> Response {
    match shared.lock().expect("no test panics with it").schema(id) {
        Some(schema) => Json(schema).into_response(),
        None => refused(StatusCode::NOT_FOUND, 40403, "Schema not found"),
    }
}

async fn version(State(shared): State<Shared>, Path((subject, version)): Path<(String, String)>) -> Response {
    let kept = shared.lock().expect("no test panics with it");
    let Some(versions) = kept.subjects.get(&subject) else {
        return refused(
            StatusCode::NOT_FOUND,
            40401,
            &format!("Subject '{subject}' not found."),
        );
    };
    let index = match version.as_str() {
        "latest" => versions.len().checked_sub(1),
        number => number
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1)),
    };
    let Some((index, id)) = index.and_then(|index| Some((index, *versions.get(index)?))) else {
        return refused(
            StatusCode::NOT_FOUND,
            40402,
            &format!("Version {version} not found."),
        );
    };
    let mut found = kept.schema(id).unwrap_or_default();
    found["subject"] = subject.into();
    found["version"] = (index + 1).into();
    found["id"] = id.into();
    Json(found).into_response()
}
