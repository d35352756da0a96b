//! Messages of MQTT and of NATS through a cluster whose workers die, and whose servers do.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::Client;
use serde_json::{Value, json};
use weir_model::{JobId, Phase, api::WorkerState};
use weir_tests::{
    api::Api,
    cluster::{self, Cluster, Size, kill_hard},
    mqtt, nats,
    process::Process,
    wait::{Seen, until},
};

use crate::alone;

const PATIENCE: Duration = Duration::from_mins(2);

async fn client(server: &Process) -> Result<Client> {
    Ok(async_nats::connect(nats::url(server)).await?)
}

async fn ask(server: &Process, subject: &str, question: Value) -> Result<Value> {
    let subject = format!("$JS.API.{subject}");
    let answer = client(server)
        .await?
        .request(subject, question.to_string().into())
        .await?;
    Ok(serde_json::from_slice(&answer.payload)?)
}

/// Waits until a stream has so many messages.
async fn has(server: &Process, stream: &str, count: u64) -> Result<()> {
    until(&format!("{count} messages in '{stream}'"), PATIENCE, async || {
        let info = ask(server, &format!("STREAM.INFO.{stream}"), json!({})).await?;
        let messages = info["state"]["messages"].as_u64().context("a number")?;
        ensure!(
            messages <= count,
            "'{stream}' has {messages} messages, some of them twice"
        );
        Ok(if messages == count {
            Seen::Done(())
        } else {
            Seen::NotYet(format!("{messages}"))
        })
    })
    .await
}

async fn kill_busy_worker(api: &Api) -> Result<()> {
    let workers = api.workers().await?.workers;
    let is_busy = |worker: &&weir_model::api::Worker| {
        worker.state == WorkerState::Alive && worker.free_slots < worker.slots
    };
    let busy = workers.iter().find(is_busy).context("a worker has a job")?;
    kill_hard(busy.pid as i32)
}

/// Waits until the job has counted so many rows, and says what their sum is then.
async fn counted(api: &Api, id: JobId, count: i64) -> Result<i64> {
    until(&format!("{count} rows to be counted"), PATIENCE, async || {
        let output = api.output(id).await?;
        let last = output.rows.iter().map(|row| row.row.cells()).rfind(|cells| {
            cells
                .get("$op")
                .and_then(Value::as_str)
                .is_some_and(|op| op.starts_with('+'))
        });
        let number = |name: &str| last.as_ref().and_then(|cells| cells.get(name)?.as_i64());
        Ok(match (number("c"), number("s")) {
            (Some(counted), Some(sum)) if counted == count => Seen::Done(sum),
            (counted, _) => {
                ensure!(
                    counted.is_none_or(|counted| counted <= count),
                    "{counted:?} rows were counted"
                );
                Seen::NotYet(format!("{counted:?}"))
            }
        })
    })
    .await
}

#[test]
fn messages_are_brought_from_mqtt_to_nats_and_counted_once_whoever_dies() {
    alone(async {
        let folder = cluster::folder()?;
        let Some(mut broker) =
            mqtt::start(folder.path(), "max_inflight_messages 0\nmax_queued_messages 0").await?
        else {
            return Ok(());
        };
        let Some(mut server) = nats::start(folder.path(), &[]).await? else {
            return Ok(());
        };
        let config = json!({ "name": "numbers", "subjects": ["numbers"], "storage": "file" });
        let made = ask(&server, "STREAM.CREATE.numbers", config).await?;
        ensure!(made.get("error").is_none(), "{made}");
        let cluster = Cluster::start(folder.path(), Size { workers: 2, slots: 2 }).await?;
        let api = &cluster.api;
        let settings = "SET 'execution.checkpointing.interval' = '500 ms';";
        let bridge = format!(
            "{settings}
             CREATE TABLE heard (n BIGINT) WITH ('connector' = 'mqtt', 'url' = '{}', 'topic' = 'in/+', 'client-id' = 'bridge', 'format' = 'json');
             CREATE TABLE stored (n BIGINT, id STRING METADATA FROM 'message-id')
                 WITH ('connector' = 'nats', 'url' = '{}', 'subject' = 'numbers', 'format' = 'json');
             INSERT INTO stored SELECT n, CAST(n AS STRING) FROM heard;",
            mqtt::url(&broker),
            nats::url(&server),
        );
        let count = format!(
            "{settings}
             CREATE TABLE stored (n BIGINT) WITH ('connector' = 'nats', 'url' = '{}', 'stream' = 'numbers', 'format' = 'json');
             CREATE TABLE counted (c BIGINT, s BIGINT) WITH ('connector' = 'print');
             INSERT INTO counted SELECT COUNT(*), SUM(n) FROM stored;",
            nats::url(&server),
        );
        let (bridge, count) = (api.start(&bridge, 1).await?, api.start(&count, 1).await?);
        for job in [bridge.id, count.id] {
            api.wait_phase(job, Phase::Running, PATIENCE).await?;
        }
        let say = async |broker: &Process, numbers: std::ops::Range<i64>| {
            mqtt::publish(broker, "in/a", numbers.map(|n| format!("{{\"n\":{n}}}"))).await
        };
        // The first one that is heard says that somebody listens.
        until("somebody to listen", PATIENCE, async || {
            say(&broker, 0..1).await?;
            let info = ask(&server, "STREAM.INFO.numbers", json!({})).await?;
            Ok(if info["state"]["messages"] == 1 {
                Seen::Done(())
            } else {
                Seen::NotYet(info.to_string())
            })
        })
        .await?;
        say(&broker, 1..300).await?;
        has(&server, "numbers", 300).await?;
        kill_busy_worker(api).await?;
        say(&broker, 300..500).await?;
        has(&server, "numbers", 500).await?;
        broker.stop()?;
        server.kill()?;
        broker.start_again().await?;
        say(&broker, 500..600).await?;
        server.start_again().await?;
        has(&server, "numbers", 600).await?;
        ensure!(
            counted(api, count.id, 600).await? == (0..600).sum::<i64>(),
            "each was counted once"
        );
        let attempts = [
            api.job(bridge.id).await?.attempt.0,
            api.job(count.id).await?.attempt.0,
        ];
        ensure!(
            attempts.iter().sum::<u32>() > 2,
            "a job was restarted: {attempts:?}"
        );
        cluster.stop()
    });
}
