//! Shows Weir between Kafka and Redis: starts servers and a cluster, has a job of Weir make up events, runs the example on them and shows
//! what is in Redis meanwhile. Ctrl-C stops everything that was started.

use std::{io::Write as _, time::Duration};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use redis::aio::MultiplexedConnection;
use weir_connector::options::parse_duration;
use weir_env::{Clock, SystemClock};
use weir_model::Phase;
use weir_tests::{
    cluster::{self, Size},
    demo::Servers,
};

mod log_analysis;
mod yahoo;

/// How often what is in Redis is shown.
const PERIOD: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Debug, Parser)]
#[command(
    name = "script/demo",
    about = "Runs an example on Kafka and Redis, started for it, and shows its results"
)]
struct Arguments {
    /// The example.
    #[arg(value_enum, default_value = "yahoo")]
    demo: Demo,
    /// Events per second.
    #[arg(long)]
    rate: Option<u64>,
    /// Stop after so long, such as `30s`; without it, at Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Parallelism of the example's job.
    #[arg(long, short, default_value_t = 2)]
    parallelism: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Demo {
    LogAnalysis,
    Yahoo,
}

impl Demo {
    fn folder(self) -> &'static str {
        match self {
            Self::LogAnalysis => "log-analysis",
            Self::Yahoo => "yahoo-benchmark",
        }
    }

    fn topic(self) -> &'static str {
        match self {
            Self::LogAnalysis => "access-log",
            Self::Yahoo => "ad-events",
        }
    }

    /// What makes up events.
    fn generator(self) -> &'static str {
        match self {
            Self::LogAnalysis => "visits.sql",
            Self::Yahoo => "events.sql",
        }
    }

    /// What is done before, to its end.
    fn before(self) -> Option<&'static str> {
        match self {
            Self::LogAnalysis => None,
            Self::Yahoo => Some("ads.sql"),
        }
    }

    async fn show(self, redis: &mut MultiplexedConnection, now_ms: i64) -> Result<String> {
        match self {
            Self::LogAnalysis => log_analysis::show(redis).await,
            Self::Yahoo => yahoo::show(redis, now_ms).await,
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let folder = cluster::folder()?;
    say("starting Kafka, Redis and Weir");
    let size = Size { workers: 1, slots: 8 };
    let Some(servers) = Servers::start(folder.path(), size).await? else {
        anyhow::bail!("Kafka or Redis is not to be had: see above");
    };
    let shown = tokio::select! {
        shown = run(&arguments, &servers) => shown,
        stopped = tokio::signal::ctrl_c() => stopped.context("waiting for Ctrl-C"),
    };
    say("stopping all of it");
    let Servers {
        kafka,
        redis,
        cluster,
    } = servers;
    // Ctrl-C goes to all of a terminal's programs: it may have stopped by itself.
    let stopped = cluster.stop();
    drop((kafka, redis));
    shown.and(stopped)
}

async fn run(arguments: &Arguments, servers: &Servers) -> Result<()> {
    let Arguments {
        demo,
        rate,
        duration,
        parallelism,
    } = arguments;
    let api = &servers.cluster.api;
    say(&format!("Kafka    {}", servers.kafka.bootstrap()));
    say(&format!("Redis    {}", servers.redis.url()));
    say(&format!("console  {}", api.url));
    servers.kafka.create_topic(demo.topic(), 4, &[]).await?;
    if let Some(script) = demo.before() {
        let job = api
            .start(&servers.script(&format!("{}/{script}", demo.folder()))?, 1)
            .await?;
        api.wait_phase(job.id, Phase::Finished, PATIENCE).await?;
    }
    let generator = servers.script(&format!("{}/{}", demo.folder(), demo.generator()))?;
    let generator = api.start(&at_rate(&generator, *rate)?, 1).await?;
    api.wait_phase(generator.id, Phase::Running, PATIENCE).await?;
    let query = servers.script(&format!("{}/query.sql", demo.folder()))?;
    let job = api.start(&query, *parallelism).await?;
    api.wait_phase(job.id, Phase::Running, PATIENCE).await?;
    say(&format!("job      {}/jobs/{}", api.url, job.id));
    let client = redis::Client::open(servers.redis.url())?;
    let mut redis = client.get_multiplexed_async_connection().await?;
    let clock = SystemClock::new();
    let end = duration.map(|duration| clock.elapsed() + duration);
    while end.is_none_or(|end| clock.elapsed() < end) {
        clock.sleep(PERIOD).await;
        let shown = demo.show(&mut redis, clock.now_ms()).await?;
        let read = api.rows_read(job.id).await?;
        writeln!(std::io::stdout(), "{read:>12} events read   {shown}")?;
    }
    Ok(())
}

/// The script of a generator at another rate.
fn at_rate(sql: &str, rate: Option<u64>) -> Result<String> {
    let Some(rate) = rate else {
        return Ok(sql.to_owned());
    };
    let option = "'rows-per-second' = '";
    let (before, rest) = sql.split_once(option).context("the generator has a rate")?;
    let (_, after) = rest.split_once('\'').context("the rate ends")?;
    Ok(format!("{before}{option}{rate}'{after}"))
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "demo: {text}");
}

/// The keys that match a pattern.
async fn keys(redis: &mut MultiplexedConnection, pattern: &str) -> Result<Vec<String>> {
    let (mut cursor, mut keys) = (0_u64, Vec::new());
    loop {
        let (next, some): (u64, Vec<String>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg(&["MATCH", pattern, "COUNT", "1000"])
            .query_async(redis)
            .await?;
        keys.extend(some);
        cursor = next;
        if cursor == 0 {
            return Ok(keys);
        }
    }
}
