//! The REST API as a client sees it.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Method, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use weir_model::{
    JobId, Phase, Problem,
    api::{
        CheckpointList, CreateJob, EventList, ExampleList, ExecutionList, Info, Job, JobList, Output,
        WorkerList,
    },
    metrics::JobMetrics,
};

use crate::wait::{Seen, until};

/// A cluster's REST API.
#[derive(Clone, Debug)]
pub struct Api {
    /// `http://127.0.0.1:8473`.
    pub url: String,
    client: reqwest::Client,
}

impl Api {
    /// The API at an address.
    pub fn at(url: String) -> Self {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .no_proxy()
            .build();
        Self {
            url,
            client: client.expect("a client without TLS can always be made"),
        }
    }

    /// A request to a path below `/api/v1/`, to be filled in further.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}/api/v1/{path}", self.url))
    }

    /// What is there.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        accepted(self.request(Method::GET, path).send().await?).await
    }

    /// Sends a body and expects success.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        accepted(self.request(Method::POST, path).json(body).send().await?).await
    }

    /// About the cluster.
    pub async fn info(&self) -> Result<Info> {
        self.get("info").await
    }

    /// All jobs.
    pub async fn jobs(&self) -> Result<JobList> {
        self.get("jobs").await
    }

    /// One job.
    pub async fn job(&self, id: JobId) -> Result<Job> {
        self.get(&format!("jobs/{id}")).await
    }

    /// Its events, the newest first.
    pub async fn events(&self, id: JobId) -> Result<EventList> {
        self.get(&format!("jobs/{id}/events")).await
    }

    /// Its executions, the newest first.
    pub async fn executions(&self, id: JobId) -> Result<ExecutionList> {
        self.get(&format!("jobs/{id}/executions")).await
    }

    /// Its printed rows.
    pub async fn output(&self, id: JobId) -> Result<Output> {
        self.get(&format!("jobs/{id}/output")).await
    }

    /// Its numbers.
    pub async fn metrics(&self, id: JobId) -> Result<JobMetrics> {
        self.get(&format!("jobs/{id}/metrics")).await
    }

    /// Its checkpoints and savepoints, the newest first.
    pub async fn checkpoints(&self, id: JobId) -> Result<CheckpointList> {
        self.get(&format!("jobs/{id}/checkpoints")).await
    }

    /// All workers.
    pub async fn workers(&self) -> Result<WorkerList> {
        self.get("workers").await
    }

    /// The examples.
    pub async fn examples(&self) -> Result<ExampleList> {
        self.get("examples").await
    }

    /// Starts a job.
    pub async fn start(&self, sql: &str, parallelism: u32) -> Result<Job> {
        let request = CreateJob {
            sql: sql.to_owned(),
            parallelism: Some(parallelism),
            ..CreateJob::default()
        };
        self.post("jobs", &request).await
    }

    /// Asks for a cancel.
    pub async fn cancel(&self, id: JobId) -> Result<Job> {
        self.post(&format!("jobs/{id}/cancel"), &serde_json::json!({}))
            .await
    }

    /// Deletes a job.
    pub async fn delete(&self, id: JobId) -> Result<()> {
        let response = self.request(Method::DELETE, &format!("jobs/{id}")).send().await?;
        ensure!(
            response.status() == StatusCode::NO_CONTENT,
            "delete answered {}",
            response.status()
        );
        Ok(())
    }

    /// Waits until the job is in a phase; fails at once when it has ended in another.
    pub async fn wait_phase(&self, id: JobId, phase: Phase, within: Duration) -> Result<Job> {
        until(&format!("job {id} to be {phase}"), within, async || {
            let job = self.job(id).await?;
            if job.phase == phase {
                return Ok(Seen::Done(job));
            }
            let seen = format!(
                "it is {}; reason {:?}, failure {:?}",
                job.phase, job.phase_reason, job.failure
            );
            if job.phase.is_terminal() {
                bail!(
                    "job {id} should be {phase}, but {seen}; events: {:#?}",
                    self.events(id).await?.events
                );
            }
            Ok(Seen::NotYet(seen))
        })
        .await
    }

    /// Rows that the job's sources have read in its current execution.
    pub async fn rows_read(&self, id: JobId) -> Result<u64> {
        // Operators are in topological order, sources first; the first one is a source.
        let metrics = self.metrics(id).await?;
        Ok(metrics.operators.first().map_or(0, |operator| operator.rows_in))
    }
}

async fn accepted<T: DeserializeOwned>(response: reqwest::Response) -> Result<T> {
    let (status, url) = (response.status(), response.url().clone());
    let text = response.text().await?;
    ensure!(status.is_success(), "{url} answered {status}: {text}");
    serde_json::from_str(&text).with_context(|| format!("{url} answered {text}"))
}

/// The problem that a refusing response must be: its status is the code's, its type `application/problem+json`.
pub async fn problem(response: reqwest::Response) -> Result<Problem> {
    let status = response.status();
    let content_type = response
        .headers()
        .get("content-type")
        .and_then(|v| v.to_str().ok())
        .map(str::to_owned);
    let text = response.text().await?;
    ensure!(
        content_type.as_deref() == Some("application/problem+json"),
        "{status} is {content_type:?}: {text}"
    );
    let problem: Problem = serde_json::from_str(&text).with_context(|| format!("{status} is {text}"))?;
    ensure!(
        problem.status == status.as_u16(),
        "the body of {status} says {}",
        problem.status
    );
    ensure!(
        problem.code.status() == problem.status,
        "{} does not go with {status}",
        problem.code
    );
    ensure!(
        problem.request_id.is_some(),
        "a problem names its request: {text}"
    );
    Ok(problem)
}
