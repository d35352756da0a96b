//! The REST API from the command line.

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use weir_model::{ErrorCode, Problem, api};

use crate::outcome::Outcome;

/// A cluster that is spoken to.
#[derive(Debug)]
pub(crate) struct Cluster {
    http: reqwest::Client,
    url: String,
}

impl Cluster {
    /// The cluster at this address; nothing is sent yet.
    pub(crate) fn at(url: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            url: url.trim_end_matches('/').to_owned(),
        }
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Outcome> {
        self.answer(self.request(Method::GET, path), None).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
        sql: &str,
    ) -> Result<T, Outcome> {
        self.answer(self.request(Method::POST, path).json(body), Some(sql))
            .await
    }

    /// Asks for something in words that are no SQL.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Outcome> {
        self.answer(self.request(Method::POST, path).json(body), None)
            .await
    }

    /// Asks for a change that needs no words.
    pub(crate) async fn act<T: DeserializeOwned>(&self, path: &str) -> Result<T, Outcome> {
        self.answer(self.request(Method::POST, path), None).await
    }

    /// Deletes something, and says what it was.
    pub(crate) async fn remove<T: DeserializeOwned>(&self, path: &str) -> Result<T, Outcome> {
        self.answer(self.request(Method::DELETE, path), None).await
    }

    pub(crate) async fn put(&self, path: &str, body: &(impl Serialize + Sync)) -> Result<(), Outcome> {
        self.send(self.request(Method::PUT, path).json(body), None)
            .await
            .map(drop)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<(), Outcome> {
        self.send(self.request(Method::DELETE, path), None)
            .await
            .map(drop)
    }

    /// The one job that an id, the beginning of an id, or a name means. Of several with one name: the newest that has
    /// not ended, else the newest.
    pub(crate) async fn find(&self, job: &str) -> Result<api::Job, Outcome> {
        if job.parse::<weir_model::JobId>().is_ok() {
            return self.get(&format!("jobs/{job}")).await;
        }
        let jobs = self.get::<api::JobList>("jobs").await?.jobs;
        let mut named: Vec<_> = jobs.iter().filter(|j| j.name == job).collect();
        named.sort_by_key(|j| j.phase.is_terminal());
        if let Some(found) = named.first() {
            return Ok((*found).clone());
        }
        let begun: Vec<_> = jobs
            .iter()
            .filter(|j| j.id.to_string().starts_with(job))
            .collect();
        match begun.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(Outcome::wrong(format!(
                "no job has the id or the name '{job}'; `weir list` shows them"
            ))),
            several => Err(Outcome::wrong(format!(
                "{} jobs have ids that begin with '{job}'",
                several.len()
            ))),
        }
    }

    /// The one savepoint that an id, the beginning of an id, or a name means. Of several with one name: the newest.
    pub(crate) async fn find_savepoint(&self, savepoint: &str) -> Result<api::Savepoint, Outcome> {
        if savepoint.parse::<weir_model::SavepointId>().is_ok() {
            return self.get(&format!("savepoints/{savepoint}")).await;
        }
        let all = self.get::<api::SavepointList>("savepoints").await?.savepoints;
        if let Some(named) = all.iter().find(|s| s.name == savepoint) {
            return Ok(named.clone());
        }
        let begun: Vec<_> = all
            .iter()
            .filter(|s| s.id.to_string().starts_with(savepoint))
            .collect();
        match begun.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(Outcome::wrong(format!(
                "no savepoint has the id or the name '{savepoint}'; `weir savepoints` lists them"
            ))),
            several => Err(Outcome::wrong(format!(
                "{} savepoints have ids that begin with '{savepoint}'",
                several.len()
            ))),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/api/v1/{path}", self.url))
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        sql: Option<&str>,
    ) -> Result<T, Outcome> {
        let response = self.send(request, sql).await?;
        response
            .json()
            .await
            .map_err(|e| Outcome::failed(format!("the answer of {} is not as expected: {e}", self.url)))
    }

    async fn send(&self, request: RequestBuilder, sql: Option<&str>) -> Result<Response, Outcome> {
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.text().await.unwrap_or_default();
        let problem = serde_json::from_str(&body).unwrap_or_else(|_| foreign(status, &body));
        Err(Outcome::problem(&problem, sql))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Outcome {
        if error.is_builder() {
            return Outcome::wrong(format!("'{}' is not an address: {error}", self.url));
        }
        Outcome::Unreachable(format!(
            "no cluster answers at {}: start one with `weir up`, or give its address in WEIR_URL",
            self.url
        ))
    }
}

/// An error answer that is not ours: a proxy's, for instance.
fn foreign(status: StatusCode, body: &str) -> Problem {
    let text: String = body.chars().take(200).collect();
    let mut problem = Problem::new(
        ErrorCode::Internal,
        format!("the server answered {status}: {text}"),
    );
    problem.status = status.as_u16();
    problem
}
