//! The examples with Kafka and Redis, on servers of their own.

use std::{fs, path::Path};

use anyhow::{Result, ensure};

use crate::{
    cluster::{Cluster, Size},
    kafka::Kafka,
    redis::Redis,
    repository,
};

/// Where the examples expect the servers.
const KAFKA: &str = "localhost:9092";
const REDIS: &str = "redis://localhost:6379";

/// Kafka, Redis and a cluster; stopped when dropped.
#[derive(Debug)]
pub struct Servers {
    /// The broker.
    pub kafka: Kafka,
    /// The server.
    pub redis: Redis,
    /// Weir.
    pub cluster: Cluster,
}

impl Servers {
    /// Starts them with their data below a folder. None: one of them is not to be had, and that may be.
    pub async fn start(folder: &Path, size: Size) -> Result<Option<Self>> {
        let Some(redis) = Redis::start(folder).await? else {
            return Ok(None);
        };
        let Some(kafka) = Kafka::start(folder).await? else {
            return Ok(None);
        };
        let cluster = Cluster::start(folder, size).await?;
        Ok(Some(Self {
            kafka,
            redis,
            cluster,
        }))
    }

    /// A script with the addresses of these servers in the place of the usual ones.
    pub fn addressed(&self, sql: &str) -> Result<String> {
        ensure!(
            sql.contains(KAFKA) || sql.contains(REDIS),
            "the script has neither {KAFKA} nor {REDIS}"
        );
        let sql = sql.replace(KAFKA, &self.kafka.bootstrap());
        Ok(sql.replace(REDIS, &self.redis.url()))
    }

    /// A script of the examples, such as `yahoo-benchmark/events.sql`, with these addresses.
    pub fn script(&self, path: &str) -> Result<String> {
        let path = repository::root().join("examples").join(path);
        self.addressed(&fs::read_to_string(path)?)
    }
}
