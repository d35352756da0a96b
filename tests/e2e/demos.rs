//! The examples with Kafka and Redis: what is in Redis is what was in Kafka, counted by other means.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use redis::aio::MultiplexedConnection;
use weir_env::{Clock, SystemClock};
use weir_model::{JobId, Phase};
use weir_tests::{
    cluster::{self, Size, kill_hard},
    demo::Servers,
    kafka::Record,
    wait::{Seen, until},
};

use crate::alone;

const PATIENCE: Duration = Duration::from_mins(1);
const PARTITIONS: i32 = 3;

/// Numbers that look random, the same at every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

type Hashes = BTreeMap<String, BTreeMap<String, String>>;
/// How often the ads of each campaign were seen in each window, by its start in ms since 1970.
type Views = BTreeMap<(String, i64), u64>;

async fn connection(servers: &Servers) -> Result<MultiplexedConnection> {
    let client = redis::Client::open(servers.redis.url())?;
    Ok(client.get_multiplexed_async_connection().await?)
}

/// The hashes whose keys match a pattern.
async fn hashes(redis: &mut MultiplexedConnection, pattern: &str) -> Result<Hashes> {
    let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(redis).await?;
    let mut hashes = Hashes::new();
    for key in keys {
        let fields = redis::cmd("HGETALL").arg(&key).query_async(redis).await?;
        hashes.insert(key, fields);
    }
    Ok(hashes)
}

/// The first hash that is not as expected.
fn difference(found: &Hashes, expected: &Hashes) -> Option<String> {
    let keys: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let key = keys
        .into_iter()
        .find(|key| found.get(*key) != expected.get(*key))?;
    Some(format!(
        "'{key}' is {:?} and not {:?}; {} of {} hashes are there",
        found.get(key),
        expected.get(key),
        found.len(),
        expected.len()
    ))
}

fn hash(fields: &[(&str, String)]) -> BTreeMap<String, String> {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

/// Starts the example as the console offers it, with the addresses of these servers.
async fn start_example(servers: &Servers, name: &str) -> Result<JobId> {
    let api = &servers.cluster.api;
    let offered = api.examples().await?.examples;
    let example = offered.iter().find(|example| example.name == name);
    let example = example.with_context(|| format!("'{name}' is not offered"))?;
    let job = api.start(&servers.addressed(&example.sql)?, 2).await?;
    api.wait_phase(job.id, Phase::Running, PATIENCE).await?;
    Ok(job.id)
}

/// Waits until a generator has filled a topic with so many more messages, and gives some of them.
async fn generated(servers: &Servers, script: &str, topic: &str) -> Result<Vec<serde_json::Value>> {
    let api = &servers.cluster.api;
    let before = servers.kafka.read_committed(topic).await?.len();
    let job = api.start(&servers.script(script)?, 1).await?;
    let messages = until("events to be made up", PATIENCE, async || {
        let all = servers.kafka.read_committed(topic).await?;
        Ok(if all.len() > before + 200 {
            Seen::Done(all)
        } else {
            Seen::NotYet(format!(
                "{} of {before} and more: {:?}",
                all.len(),
                api.job(job.id).await?
            ))
        })
    })
    .await?;
    api.cancel(job.id).await?;
    let is_new = |record: &&Record| record.timestamp_ms > Some(0);
    let texts = messages.iter().filter(is_new).rev().take(50).map(Record::text);
    texts
        .map(|text| serde_json::from_str(&text).with_context(|| text))
        .collect()
}

/// `2024-05-01 HH:MM:SS.mmm` of a time since that midnight.
fn time(ms: i64) -> String {
    let s = ms / 1000;
    format!(
        "2024-05-01 {:02}:{:02}:{:02}.{:03}",
        s / 3600,
        s / 60 % 60,
        s % 60,
        ms % 1000
    )
}

/// An access log of 20 minutes from 08:00 on, each line up to 4.9 s late, then one of two hours later; and what is to be in Redis.
fn access_log() -> (Vec<Record>, Hashes) {
    const WINDOW_MS: i64 = 300_000;
    let mut chance = Chance(1);
    let mut records = Vec::new();
    let mut windows: BTreeMap<(&str, i64), (u64, BTreeSet<u64>)> = BTreeMap::new();
    for nth in 0..4000_i64 {
        let at = 8 * 3_600_000 + nth * 300 - chance.below(4900) as i64;
        let country = ["DE", "FR", "JP", "US"][chance.below(4) as usize];
        let (ip, status) = (chance.below(60), [200, 200, 304, 404][chance.below(4) as usize]);
        if status < 400 {
            let window = windows.entry((country, at / WINDOW_MS)).or_default();
            window.0 += 1;
            window.1.insert(ip);
        }
        let line = format!(
            r#"{{"event_time":"{}","ip":"10.0.0.{ip}","country":"{country}","path":"/","status":{status}}}"#,
            time(at)
        );
        records.push(Record::value((nth % i64::from(PARTITIONS)) as i32, line));
    }
    for partition in 0..PARTITIONS {
        let line = format!(
            r#"{{"event_time":"{}","country":"ZZ","status":200}}"#,
            time(10 * 3_600_000)
        );
        records.push(Record::value(partition, line));
    }
    let expected = windows.into_iter().map(|((country, window), (visits, ips))| {
        let key = format!(
            "visitors:{country}:{}",
            time(window * WINDOW_MS)[..16].replace(' ', "T")
        );
        let fields = [
            ("counted_until", time((window + 1) * WINDOW_MS)[11..19].to_owned()),
            ("visits", visits.to_string()),
            ("visitors", ips.len().to_string()),
        ];
        (key, hash(&fields))
    });
    let expected: Hashes = expected.collect();
    (records, expected)
}

#[test]
fn the_log_analysis_counts_visits_and_visitors_of_each_country_and_window() {
    alone(async {
        let folder = cluster::folder()?;
        let Some(servers) = Servers::start(folder.path(), Size { workers: 1, slots: 4 }).await? else {
            return Ok(());
        };
        servers.kafka.create_topic("access-log", PARTITIONS, &[]).await?;
        let job = start_example(&servers, "log-analysis").await?;
        let (records, expected) = access_log();
        ensure!(expected.len() > 16, "four countries in five windows");
        servers.kafka.produce("access-log", &records).await?;
        let mut redis = connection(&servers).await?;
        until("the counts in Redis", PATIENCE, async || {
            let found = hashes(&mut redis, "visitors:*").await?;
            Ok(match difference(&found, &expected) {
                None => Seen::Done(()),
                Some(difference) => Seen::NotYet(difference),
            })
        })
        .await?;
        let left: i64 = redis::cmd("TTL")
            .arg(expected.keys().next())
            .query_async(&mut redis)
            .await?;
        ensure!((1..=86_400).contains(&left), "a key is there for {left} s more");
        servers.cluster.api.cancel(job).await?;
        for line in generated(&servers, "log-analysis/visits.sql", "access-log").await? {
            let is_text = |name: &str| line[name].is_string();
            ensure!(
                ["event_time", "ip", "country", "path"].into_iter().all(is_text) && line["status"].is_u64(),
                "{line}"
            );
        }
        servers.cluster.stop()
    });
}

/// Ad events of a minute, each up to 0.9 s late, as the benchmark writes them, in two parts, behind which there is one of an hour later in
/// each partition; and how often the ads of each campaign were seen in each window.
fn ad_events(campaigns: &BTreeMap<String, String>) -> ([Vec<Record>; 2], Views) {
    const START_MS: i64 = 1_700_000_000_000;
    let ads: Vec<_> = campaigns.iter().collect();
    let mut chance = Chance(2);
    let event = |partition: i64, ad: &str, kind: &str, at: i64| {
        let text = format!(
            r#"{{"user_id":"u{at}","page_id":"p","ad_id":"{ad}","ad_type":"banner","event_type":"{kind}","event_time":"{at}","ip_address":"1.2.3.4"}}"#
        );
        Record::value(partition as i32, text)
    };
    let mut parts = [Vec::new(), Vec::new()];
    let mut counts = BTreeMap::new();
    for nth in 0..6000_i64 {
        let at = START_MS + 1000 + nth * 10 - chance.below(900) as i64;
        let kind = ["view", "click", "purchase"][chance.below(3) as usize];
        let number = chance.below(ads.len() as u64 + 20) as usize;
        // Some ads have no campaign.
        let ad = match ads.get(number) {
            Some((ad, campaign)) => {
                if kind == "view" {
                    *counts
                        .entry(((*campaign).clone(), at / 10_000 * 10_000))
                        .or_default() += 1;
                }
                ad.as_str()
            }
            None => "unknown",
        };
        parts[usize::from(nth >= 3000)].push(event(nth % i64::from(PARTITIONS), ad, kind, at));
    }
    for partition in 0..PARTITIONS {
        parts[1].push(event(partition.into(), "unknown", "click", START_MS + 3_600_000));
    }
    (parts, counts)
}

/// What is to be in Redis beside when it was written: for each campaign its windows, and for each of these a count.
fn layout(counts: &Views) -> Hashes {
    let mut hashes = Hashes::new();
    for ((campaign, window), count) in counts {
        let key = format!("{campaign}:{window}");
        let windows = hashes.entry(campaign.clone()).or_default();
        windows.insert(window.to_string(), key.clone());
        hashes.insert(key, hash(&[("seen_count", count.to_string())]));
    }
    hashes
}

/// The campaigns of ads, as they are in Redis.
async fn campaigns(redis: &mut MultiplexedConnection) -> Result<BTreeMap<String, String>> {
    let ads: Vec<String> = redis::cmd("KEYS").arg("*").query_async(redis).await?;
    let campaigns: Vec<String> = redis::cmd("MGET").arg(&ads).query_async(redis).await?;
    Ok(ads.into_iter().zip(campaigns).collect())
}

/// Kills the worker that runs a job's first task.
async fn kill_worker(servers: &Servers, job: JobId) -> Result<()> {
    let api = &servers.cluster.api;
    let executions = api.executions(job).await?.executions;
    let placed = executions
        .first()
        .and_then(|execution| execution.placement.first());
    let used = placed.context("it is executed")?.worker;
    let workers = api.workers().await?.workers;
    let worker = workers
        .iter()
        .find(|worker| worker.id == used)
        .context("its worker is listed")?;
    kill_hard(worker.pid as i32)
}

/// Waits until the counts are as expected, each written since the job began.
async fn wait_views(
    redis: &mut MultiplexedConnection,
    campaigns: &BTreeMap<String, String>,
    expected: &Hashes,
    began_ms: i64,
) -> Result<()> {
    let seen: BTreeSet<_> = campaigns
        .values()
        .filter(|name| expected.contains_key(*name))
        .collect();
    until("the counts in Redis", PATIENCE, async || {
        let mut found = hashes(redis, "*:*").await?;
        for fields in found.values_mut() {
            let updated: i64 = fields
                .remove("time_updated")
                .context("it is said when")?
                .parse()?;
            let now_ms = SystemClock::new().now_ms();
            ensure!((began_ms..=now_ms).contains(&updated), "updated {updated}");
        }
        for name in &seen {
            let windows = redis::cmd("HGETALL").arg(name).query_async(redis).await?;
            found.insert((*name).clone(), windows);
        }
        Ok(match difference(&found, expected) {
            None => Seen::Done(()),
            Some(difference) => Seen::NotYet(difference),
        })
    })
    .await
}

#[test]
fn the_yahoo_benchmark_counts_views_of_each_campaign_and_window_though_a_worker_dies() {
    alone(async {
        let folder = cluster::folder()?;
        let Some(servers) = Servers::start(folder.path(), Size { workers: 2, slots: 2 }).await? else {
            return Ok(());
        };
        let api = &servers.cluster.api;
        let mut redis = connection(&servers).await?;
        let ads = api.start(&servers.script("yahoo-benchmark/ads.sql")?, 1).await?;
        api.wait_phase(ads.id, Phase::Finished, PATIENCE).await?;
        let campaigns = campaigns(&mut redis).await?;
        ensure!(campaigns.len() == 1000 && campaigns.values().collect::<BTreeSet<_>>().len() == 100);
        servers.kafka.create_topic("ad-events", PARTITIONS, &[]).await?;
        let began_ms = SystemClock::new().now_ms();
        let job = start_example(&servers, "yahoo-benchmark").await?;
        let ([first, second], counts) = ad_events(&campaigns);
        servers.kafka.produce("ad-events", &first).await?;
        until("first counts in Redis", PATIENCE, async || {
            let found: Vec<String> = redis::cmd("KEYS").arg("*:*").query_async(&mut redis).await?;
            Ok(if found.is_empty() {
                Seen::NotYet("nothing".into())
            } else {
                Seen::Done(())
            })
        })
        .await?;
        kill_worker(&servers, job).await?;
        servers.kafka.produce("ad-events", &second).await?;
        let expected = layout(&counts);
        wait_views(&mut redis, &campaigns, &expected, began_ms).await?;
        ensure!(api.job(job).await?.attempt.0 > 1, "it was restarted");
        api.cancel(job).await?;
        for event in generated(&servers, "yahoo-benchmark/events.sql", "ad-events").await? {
            let names = [
                "user_id",
                "page_id",
                "ad_id",
                "ad_type",
                "event_type",
                "event_time",
                "ip_address",
            ];
            let fields = event.as_object().context("an object")?;
            ensure!(fields.keys().eq(names), "{event}");
            let ad = event["ad_id"].as_str().unwrap_or_default();
            ensure!(
                ad.starts_with('u') || campaigns.contains_key(ad),
                "an ad without a campaign: {event}"
            );
        }
        servers.cluster.stop()
    });
}
