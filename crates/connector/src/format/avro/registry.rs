//! A schema registry over HTTP, as Confluent's speaks: schemas by their ids, and schemas registered under subjects.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use parking_lot::RwLock;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header::CONTENT_TYPE};
use serde::Deserialize;
use tokio::sync::OnceCell;
use weir_env::Clock;

use super::schema::Schema;
use crate::ConnectorError;

const CONTENT: &str = "application/vnd.schemaregistry.v1+json";

/// How long the registry has for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long after a failure it is asked again, at first; each time twice as long.
const BACKOFF: Duration = Duration::from_millis(200);
/// How often it is asked at most, before the job fails with the reason and begins again by itself.
const ATTEMPTS: u32 = 6;
/// How many schemas name each other in a row at most.
const MAX_REFERENCES: usize = 16;

/// The schemas of a registry, and the way to it.
pub struct SchemaRegistry {
    urls: Vec<Url>,
    login: Login,
    client: OnceCell<reqwest::Client>,
    /// What is known of ids: the schema, or why there is none that is of use.
    schemas: RwLock<HashMap<u32, Result<Arc<Schema>, String>>>,
}

/// How to log in.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    None,
    /// User and password.
    Basic(String, String),
    Token(String),
}

impl fmt::Debug for SchemaRegistry {
    /// Without the login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaRegistry")
            .field("at", &self.place())
            .finish_non_exhaustive()
    }
}

/// What a registry says of a schema.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    schema: String,
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

/// A schema that another one names.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Reference {
    subject: String,
    version: i64,
}

#[derive(Debug, Deserialize)]
struct Registered {
    id: u32,
}

/// What a registry says of a failure.
#[derive(Debug, Deserialize)]
struct Refusal {
    message: String,
}

/// Why there is no answer that is of use.
#[derive(Debug)]
enum Failed {
    /// It is not there.
    Missing(String),
    /// It may be seen by others.
    Forbidden(String),
    /// It may be otherwise after a while.
    Now(String),
    /// It is refused.
    ForGood(String),
}

impl From<Failed> for ConnectorError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Now(reason) => Self::external(reason),
            Failed::Missing(reason) | Failed::Forbidden(reason) | Failed::ForGood(reason) => {
                Self::user(reason)
            }
        }
    }
}

impl SchemaRegistry {
    /// The one at these addresses, which are asked in turn.
    pub(super) fn new(urls: Vec<Url>, login: Login) -> Self {
        Self {
            urls,
            login,
            client: OnceCell::new(),
            schemas: RwLock::default(),
        }
    }

    fn place(&self) -> String {
        let shown = |url: &Url| {
            let mut url = url.clone();
            // An address may hold a login.
            let _ = url.set_password(None);
            let _ = url.set_username("");
            url.as_str().trim_end_matches('/').to_owned()
        };
        self.urls.iter().map(shown).collect::<Vec<_>>().join(",")
    }

    /// What is known of a schema; none if it was not fetched.
    pub(super) fn known(&self, id: u32) -> Option<Result<Arc<Schema>, String>> {
        self.schemas.read().get(&id).cloned()
    }

    /// Keeps a schema as that of an id.
    pub(super) fn learn(&self, id: u32, schema: Result<Schema, String>) {
        self.schemas.write().insert(id, schema.map(Arc::new));
    }

    /// The id of the schema that must be fetched before a message is decoded; none if it is known, or the message names none.
    pub fn lacks(&self, message: &[u8]) -> Option<u32> {
        let (id, _) = split(message).ok()?;
        (!self.schemas.read().contains_key(&id)).then_some(id)
    }

    /// Fetches a schema, so that it is known from then on, even if it turns out to be of no use: messages that name it say so. Fails if
    /// the registry does not answer, though asked several times.
    pub async fn fetch(&self, id: u32, clock: &dyn Clock) -> Result<(), ConnectorError> {
        let path = ["schemas", "ids", &id.to_string()];
        let schema = match self.retried(Method::GET, &path, None, clock).await {
            Ok(answer) => self.read(id, answer, clock).await?,
            Err(Failed::Missing(reason)) => Err(reason),
            Err(failed) => return Err(failed.into()),
        };
        if let Err(reason) = &schema {
            tracing::warn!("schema {id} is of no use: {reason}");
        }
        self.learn(id, schema);
        Ok(())
    }

    /// A schema with those that it names.
    async fn read(
        &self,
        id: u32,
        answer: String,
        clock: &dyn Clock,
    ) -> Result<Result<Schema, String>, ConnectorError> {
        let mut texts: Vec<(Option<Reference>, String)> = Vec::new();
        let mut waiting: Vec<Reference> = Vec::new();
        let (mut named, mut answer) = (None, answer);
        loop {
            let found = match serde_json::from_str::<Found>(&answer) {
                Ok(found) if found.schema_type.as_deref().is_none_or(|kind| kind == "AVRO") => found,
                Ok(found) => {
                    let kind = found.schema_type.unwrap_or_default();
                    return Ok(Err(format!(
                        "schema {id} at {} is of {kind} and not of Avro",
                        self.place()
                    )));
                }
                Err(error) => {
                    return Ok(Err(format!(
                        "what {} says of schema {id} is none: {error}",
                        self.place()
                    )));
                }
            };
            // What is named comes before all that name it.
            texts.retain(|(known, _)| named.is_none() || *known != named);
            texts.insert(0, (named, found.schema));
            waiting.extend(found.references);
            if texts.len() > MAX_REFERENCES {
                return Ok(Err(format!(
                    "schema {id} names more than {MAX_REFERENCES} others"
                )));
            }
            let Some(next) = waiting.pop() else {
                break;
            };
            let path = ["subjects", &next.subject, "versions", &next.version.to_string()];
            answer = self.retried(Method::GET, &path, None, clock).await?;
            named = Some(next);
        }
        let texts = texts.iter().map(|(_, text)| text.as_str());
        Ok(Schema::parse_all(texts).map_err(|reason| format!("schema {id} at {} {reason}", self.place())))
    }

    /// Registers a schema under a subject, if it is not yet, and returns its id.
    pub(super) async fn register(
        &self,
        subject: &str,
        schema: &str,
        clock: &dyn Clock,
    ) -> Result<u32, ConnectorError> {
        let body = serde_json::json!({ "schema": schema }).to_string();
        let path = ["subjects", subject, "versions"];
        let answer = self
            .retried(Method::POST, &path, Some(&body), clock)
            .await
            .map_err(ConnectorError::from)?;
        match serde_json::from_str::<Registered>(&answer) {
            Ok(registered) => Ok(registered.id),
            Err(error) => {
                let reason = format!("{} does not say the id of a schema: {error}", self.place());
                Err(ConnectorError::external(reason))
            }
        }
    }

    /// The last schema of a subject.
    pub(super) async fn latest(&self, subject: &str, clock: &dyn Clock) -> Result<Schema, ConnectorError> {
        let path = ["subjects", subject, "versions", "latest"];
        let answer = self
            .retried(Method::GET, &path, None, clock)
            .await
            .map_err(ConnectorError::from)?;
        self.read(0, answer, clock).await?.map_err(ConnectorError::user)
    }

    /// Whether it answers, and takes the login.
    pub(crate) async fn check(&self) -> Result<(), ConnectorError> {
        // Few may list all subjects, which need not be read.
        let answer = self.ask(&Method::GET, &["subjects"], None, 0).await;
        match answer {
            Ok(_) | Err(Failed::Missing(_) | Failed::Forbidden(_)) => Ok(()),
            Err(failed) => Err(failed.into()),
        }
    }

    /// An answer, asked for again where that may help.
    async fn retried(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&str>,
        clock: &dyn Clock,
    ) -> Result<String, Failed> {
        let mut backoff = BACKOFF;
        let mut attempt = 0;
        loop {
            let answer = match self.ask(&method, path, body, attempt).await {
                Ok(answer) => answer
                    .text()
                    .await
                    .map_err(|error| Failed::Now(self.unreachable(&error))),
                Err(failed) => Err(failed),
            };
            attempt += 1;
            match answer {
                Err(Failed::Now(reason)) if attempt < ATTEMPTS => {
                    tracing::warn!("{reason}; it is asked again");
                    clock.sleep(backoff).await;
                    backoff *= 2;
                }
                answer => return answer,
            }
        }
    }

    async fn ask(
        &self,
        method: &Method,
        path: &[&str],
        body: Option<&str>,
        attempt: u32,
    ) -> Result<Response, Failed> {
        let request = self.request(method, path, attempt).await?;
        let request = match body {
            Some(body) => request.header(CONTENT_TYPE, CONTENT).body(body.to_owned()),
            None => request,
        };
        let answer = request
            .send()
            .await
            .map_err(|error| Failed::Now(self.unreachable(&error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text().await.unwrap_or_default();
        let said = serde_json::from_str::<Refusal>(&text)
            .map_or_else(|_| status.to_string(), |refusal| refusal.message);
        let what = path.join("/");
        let reason = format!("the schema registry at {} says of {what}: {said}", self.place());
        Err(match status {
            StatusCode::NOT_FOUND => Failed::Missing(reason),
            StatusCode::FORBIDDEN => Failed::Forbidden(reason),
            StatusCode::UNAUTHORIZED => Failed::ForGood(format!(
                "the schema registry at {} refuses the login: {said}",
                self.place()
            )),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Failed::Now(reason),
            status if status.is_server_error() => Failed::Now(reason),
            _ => Failed::ForGood(reason),
        })
    }

    async fn request(&self, method: &Method, path: &[&str], attempt: u32) -> Result<RequestBuilder, Failed> {
        let no_client =
            |error: &dyn fmt::Display| Failed::ForGood(format!("no client of HTTP was made: {error}"));
        let client = self
            .client
            .get_or_try_init(async || reqwest::Client::builder().timeout(TIMEOUT).build());
        let client = client.await.map_err(|error| no_client(&error))?;
        let mut url = self.urls[attempt as usize % self.urls.len()].clone();
        url.path_segments_mut()
            .map_err(|()| no_client(&"its address has no path"))?
            .pop_if_empty()
            .extend(path);
        let request = client.request(method.clone(), url);
        Ok(match &self.login {
            Login::None => request,
            Login::Basic(user, password) => request.basic_auth(user, Some(password)),
            Login::Token(token) => request.bearer_auth(token),
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> String {
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            reason = cause.to_string();
            source = cause.source();
        }
        format!("cannot reach the schema registry at {}: {reason}", self.place())
    }
}

/// A message's schema by its id, and the record. The error says why it is none of a registry's.
pub(super) fn split(message: &[u8]) -> Result<(u32, &[u8]), String> {
    match message {
        [0, a, b, c, d, record @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), record)),
        [0, ..] | [] => Err("the message is too short: the id of a schema of a registry comes first".into()),
        [first, ..] => Err(format!(
            "the message begins with the byte {first}, and those that name a schema of a registry with 0"
        )),
    }
}
