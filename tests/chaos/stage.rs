//! What a run plays on: a control plane, workers behind links, and the database that the job writes to.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tempfile::TempDir;
use tokio::sync::Mutex;
use weir_control_plane::private_postgres::PrivatePostgres;
use weir_model::{JobId, Phase, api::Job};
use weir_tests::{
    cluster::{self, Cluster, Extra, Size, free_port},
    kafka::Kafka,
    wait::{Seen, until},
};

use crate::{
    check::{self, Differences},
    faults::Chaos,
    job::{self, Events, Output, Places},
    plan::Chance,
    workers::Worker,
};

const WORKERS: u8 = 3;
const SLOTS: u32 = 2;
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the job may take to end once nothing is done to it any more, beside the time that its rows take.
const END_TIMEOUT: Duration = Duration::from_mins(2);

pub(crate) struct Stage {
    pub(crate) workers: Vec<Worker>,
    pub(crate) cluster: Cluster,
    pub(crate) database: PgPool,
    outputs: PrivatePostgres,
    /// None: no output is a topic.
    kafka: Option<Mutex<Kafka>>,
    /// Where the topic of events ends; none: the job makes its events itself.
    ends: Vec<usize>,
    folder: TempDir,
}

impl Stage {
    /// Starts everything, with these variables in the environment of all processes of Weir's.
    pub(crate) async fn set(environment: &[(String, String)]) -> Result<Self> {
        let folder = cluster::folder()?;
        let outputs = PrivatePostgres::start(&folder.path().join("outputs")).await?;
        let database = PgPoolOptions::new().connect(outputs.url()).await?;
        job::create_tables(&database).await?;
        let grpc = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let extra = Extra {
            arguments: vec!["--grpc-listen".to_owned(), grpc.to_string()],
            environment: environment.to_vec(),
        };
        let none = Size {
            workers: 0,
            slots: SLOTS,
        };
        let cluster = Cluster::start_with(folder.path(), none, &extra).await?;
        let mut workers = Vec::new();
        for nth in 0..WORKERS {
            workers.push(Worker::start(nth, grpc, folder.path(), SLOTS, environment).await?);
        }
        until("all workers to be there", START_TIMEOUT, async || {
            let info = cluster.api.info().await?;
            Ok(if info.workers == u32::from(WORKERS) {
                Seen::Done(())
            } else {
                Seen::NotYet(format!("{info:?}"))
            })
        })
        .await?;
        Ok(Self {
            workers,
            cluster,
            database,
            outputs,
            kafka: None,
            ends: Vec::new(),
            folder,
        })
    }

    /// The same with topics for these outputs, and with one for so many bids if the job shall read them there. None: there is no Kafka, and that may be.
    pub(crate) async fn with_topics(
        mut self,
        outputs: &[Output],
        bids: Option<usize>,
    ) -> Result<Option<Self>> {
        let Some(kafka) = Kafka::start(self.folder.path()).await? else {
            return Ok(None);
        };
        let names = outputs.iter().map(|output| output.name);
        for topic in names.chain([job::EVENTS]) {
            kafka.create_topic(topic, job::PARTITIONS as i32, &[]).await?;
        }
        self.kafka = Some(Mutex::new(kafka));
        self.ends = bids.map_or_else(Vec::new, job::ends);
        Ok(Some(self))
    }

    /// Kafka's, if there is one.
    pub(crate) async fn brokers(&self) -> Option<String> {
        match &self.kafka {
            Some(kafka) => Some(kafka.lock().await.bootstrap()),
            None => None,
        }
    }

    /// Starts the job, and waits until it runs.
    pub(crate) async fn start(&self, events: Events, outputs: &[Output]) -> Result<Job> {
        let url = self.outputs.url().replacen("postgres://", "postgresql://", 1);
        let brokers = self.brokers().await.unwrap_or_default();
        let places = Places {
            files: self.files(),
            database: format!("jdbc:{url}"),
            brokers,
            ends: self.ends.clone(),
        };
        let script = job::script(events, outputs, &places);
        let job = self.cluster.api.start(&script, 2).await?;
        let api = &self.cluster.api;
        api.wait_phase(job.id, Phase::Running, Duration::from_mins(1))
            .await
    }

    pub(crate) fn chaos(&self, job: JobId, seed: u64) -> Chaos<'_> {
        Chaos {
            cluster: &self.cluster,
            workers: &self.workers,
            folder: self.folder.path(),
            kafka: self.kafka.as_ref(),
            job,
            chance: Chance(seed),
            savepoints: Vec::new(),
        }
    }

    /// Waits until the job has read all rows.
    pub(crate) async fn wait_finished(&self, job: JobId, events: Events) -> Result<()> {
        let limit = Duration::from_secs(events.count / events.rate) + END_TIMEOUT;
        let api = &self.cluster.api;
        match api.wait_phase(job, Phase::Finished, limit).await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.context(self.story(job).await?)),
        }
    }

    /// What came out against what had to, by output.
    pub(crate) async fn compare(
        &self,
        outputs: &[Output],
        expected: &[Vec<String>],
    ) -> Result<Vec<(&'static str, Differences)>> {
        let mut differences = Vec::new();
        let kafka = match &self.kafka {
            Some(kafka) => Some(kafka.lock().await),
            None => None,
        };
        for (output, expected) in outputs.iter().zip(expected) {
            let found = job::found(output, &self.files(), &self.database, kafka.as_deref()).await?;
            let compared = check::compare(expected, found, output.compared())?;
            println!("{}: {compared}", output.name);
            differences.push((output.name, compared));
        }
        Ok(differences)
    }

    /// The folder of the job's checkpoints.
    pub(crate) fn state(&self, job: JobId) -> PathBuf {
        self.folder.path().join(format!("data/state/jobs/{job}"))
    }

    fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// Stops everything, and expects that it stops well.
    pub(crate) async fn end(self) -> Result<()> {
        drop(self.workers);
        self.cluster.stop()?;
        self.database.close().await;
        self.outputs.stop().await;
        Ok(())
    }

    /// What a cluster tells of a job.
    pub(crate) async fn story(&self, job: JobId) -> Result<String> {
        let api = &self.cluster.api;
        let checkpoints = api
            .checkpoints(job)
            .await
            .context("telling its story")?
            .checkpoints;
        let newest: Vec<_> = checkpoints.iter().take(5).collect();
        let events = api.events(job).await?.events;
        let last: Vec<_> = events
            .iter()
            .take(20)
            .map(|e| format!("{} {}", e.kind, e.message))
            .collect();
        let operators = api.metrics(job).await?.operators;
        let rows: Vec<_> = operators
            .iter()
            .map(|o| (o.operator, o.rows_in, o.rows_out))
            .collect();
        let log = self.cluster.log_text();
        Ok(format!("{newest:#?}\n{last:#?}\n{rows:#?}\n{log}"))
    }
}
