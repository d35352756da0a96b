//! How fast each connector is read and written alone, beside what the system does without it.
//!
//! ```text
//! bench/connectors/run rows [ROWS]
//! ```
//!
//! The same rows of four columns go through the real planner and engine, in this process and on one task: from a generator to each sink, and
//! from each source to nowhere. What the generator costs alone is taken off the sinks. MB are those of the rows as JSON lines, so that all
//! lines compare.

use std::{fs, io::Read as _, path::Path};

use anyhow::{Context as _, Result, ensure};
use futures::TryStreamExt as _;
use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolCopyExt as _};
use weir_control_plane::private_postgres::PrivatePostgres;
use weir_env::{Clock as _, SystemClock};
use weir_tests::{cluster, kafka::Kafka, local, mqtt, nats, redis::Redis};

const COLUMNS: &str = "id BIGINT, name STRING, price DOUBLE, at TIMESTAMP(3)";
/// How often each is measured; the best counts.
const ROUNDS: usize = 3;

/// What passing all rows once took.
#[derive(Clone, Copy, Debug)]
struct Spent {
    seconds: f64,
    cpu_seconds: f64,
}

impl Spent {
    const NOTHING: Self = Self {
        seconds: 0.0,
        cpu_seconds: 0.0,
    };

    fn less(self, other: Self) -> Self {
        Self {
            seconds: self.seconds - other.seconds,
            cpu_seconds: self.cpu_seconds - other.cpu_seconds,
        }
    }

    fn least(self, other: Self) -> Self {
        Self {
            seconds: self.seconds.min(other.seconds),
            cpu_seconds: self.cpu_seconds.min(other.cpu_seconds),
        }
    }
}

struct Bench {
    rows: u64,
    bytes: u64,
    /// What making the rows costs.
    made: Spent,
}

#[tokio::main]
async fn main() -> Result<()> {
    let rows = std::env::args().nth(1);
    let rows: u64 = rows.map_or(Ok(1_000_000), |rows| rows.parse())?;
    let folder = cluster::folder()?;
    let made = "CREATE TABLE out_t (id BIGINT, name STRING, price DOUBLE, at TIMESTAMP(3)) WITH ('connector' = 'blackhole')";
    let mut bench = Bench {
        rows,
        bytes: 0,
        made: Spent::NOTHING,
    };
    bench.made = bench.write(made).await?;
    println!(
        "{rows} rows, made alone: {:.2} CPU seconds",
        bench.made.cpu_seconds
    );
    bench.files(folder.path()).await?;
    bench.redis(folder.path()).await?;
    bench.postgres(folder.path()).await?;
    bench.nats(folder.path()).await?;
    bench.mqtt(folder.path()).await?;
    bench.kafka(folder.path()).await
}

impl Bench {
    /// All rows from the generator into the table `out_t`.
    async fn write(&self, out: &str) -> Result<Spent> {
        let script = format!(
            "CREATE TABLE made (id BIGINT, k INT) WITH ('connector' = 'datagen', 'number-of-rows' = '{}',
                 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{}',
                 'fields.k.min' = '0', 'fields.k.max' = '999');
             {out};
             INSERT INTO out_t SELECT id, 'item ' || CAST(k AS STRING), k + 0.5E0, TIMESTAMP '2024-01-01 00:00:00.000' FROM made;",
            self.rows, self.rows
        );
        self.run(&script).await
    }

    /// All rows from the table `in_t` to nowhere.
    async fn read(&self, table: &str) -> Result<Spent> {
        let script = format!(
            "{table};
             CREATE TABLE out_t ({COLUMNS}) WITH ('connector' = 'blackhole');
             INSERT INTO out_t SELECT * FROM in_t;"
        );
        self.run(&script).await
    }

    async fn run(&self, script: &str) -> Result<Spent> {
        let begun = now()?;
        let (_, stats) = local::run(script, Some(1))
            .await
            .map_err(|refused| anyhow::anyhow!("{refused:?}"))?;
        let spent = now()?.less(begun);
        let read: u64 = stats.sources.iter().map(|source| source.rows_out).sum();
        ensure!(read == self.rows, "{read} of {} rows were read", self.rows);
        Ok(spent)
    }

    fn say(&self, what: &str, spent: Spent) {
        println!(
            "{what:32} {:8.1} MB/s  {:8.2} M rows/s  {:8.2} M rows per CPU second",
            self.bytes as f64 / spent.seconds / 1e6,
            self.rows as f64 / spent.seconds / 1e6,
            self.rows as f64 / spent.cpu_seconds.max(0.01) / 1e6
        );
    }

    async fn files(&mut self, folder: &Path) -> Result<()> {
        for format in ["json", "csv", "avro", "parquet"] {
            let path = folder.join(format);
            let options = format!(
                "'connector' = 'filesystem', 'path' = '{}', 'format' = '{format}'",
                path.display()
            );
            let (mut written, mut read) = (None, None);
            for _ in 0..ROUNDS {
                let _ = fs::remove_dir_all(&path);
                let spent = self
                    .write(&format!("CREATE TABLE out_t ({COLUMNS}) WITH ({options})"))
                    .await?;
                best(&mut written, spent.less(self.made));
                best(
                    &mut read,
                    self.read(&format!("CREATE TABLE in_t ({COLUMNS}) WITH ({options})"))
                        .await?,
                );
            }
            if format == "json" {
                self.bytes = size(&path)?;
                self.say("limit: reading those files", plain_read(&path)?);
            }
            println!("{format}: {} MB on disk", size(&path)? / 1_000_000);
            self.say(
                &format!("filesystem {format}, written"),
                written.context("a round")?,
            );
            self.say(&format!("filesystem {format}, read"), read.context("a round")?);
        }
        Ok(())
    }

    async fn redis(&self, folder: &Path) -> Result<()> {
        let Some(redis) = Redis::start(folder).await? else {
            return Ok(());
        };
        let options = format!(
            "'connector' = 'redis', 'url' = '{}', 'data-type' = 'hash'",
            redis.url()
        );
        let out = format!("CREATE TABLE out_t ({COLUMNS}, PRIMARY KEY (id) NOT ENFORCED) WITH ({options})");
        let spent = self.write(&out).await?;
        self.say("redis hashes, written", spent.less(self.made));
        let client = redis::Client::open(redis.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let begun = now()?;
        for start in (0..self.rows).step_by(1000) {
            let mut pipe = redis::pipe();
            for id in start..(start + 1000).min(self.rows) {
                pipe.cmd("HSET")
                    .arg(format!("plain:{id}"))
                    .arg(&["name", "item 1", "price", "1.5", "at", "2024-01-01 00:00:00.000"])
                    .ignore();
            }
            let _: () = pipe.query_async(&mut connection).await?;
        }
        self.say("limit: the client's pipelines", now()?.less(begun));
        Ok(())
    }

    async fn postgres(&self, folder: &Path) -> Result<()> {
        let server = PrivatePostgres::start(&folder.join("postgres")).await?;
        let url = server.url().replacen("postgres://", "postgresql://", 1);
        let pool = PgPool::connect(&url).await?;
        let table = "CREATE TABLE t (id bigint PRIMARY KEY, name text, price double precision, at timestamp)";
        sqlx::raw_sql(AssertSqlSafe(table)).execute(&pool).await?;
        let options = format!(
            "'connector' = 'jdbc', 'url' = 'jdbc:{url}', 'table-name' = 't', 'sink.delivery-guarantee' = 'at-least-once'"
        );
        let columns = format!("{COLUMNS}, PRIMARY KEY (id) NOT ENFORCED");
        let spent = self
            .write(&format!("CREATE TABLE out_t ({columns}) WITH ({options})"))
            .await?;
        self.say("jdbc upserts, written", spent.less(self.made));
        self.say(
            "jdbc, read",
            self.read(&format!("CREATE TABLE in_t ({columns}) WITH ({options})"))
                .await?,
        );
        let begun = now()?;
        let mut copied = pool.copy_out_raw("COPY t TO STDOUT").await?;
        let mut text = Vec::new();
        while let Some(chunk) = copied.try_next().await? {
            text.extend_from_slice(&chunk);
        }
        drop(copied);
        self.say("limit: COPY TO", now()?.less(begun));
        sqlx::raw_sql("TRUNCATE t").execute(&pool).await?;
        let begun = now()?;
        let mut copy = pool.copy_in_raw("COPY t FROM STDIN").await?;
        for chunk in text.chunks(1 << 16) {
            copy.send(chunk).await?;
        }
        copy.finish().await?;
        self.say("limit: COPY FROM", now()?.less(begun));
        Ok(())
    }

    async fn nats(&self, folder: &Path) -> Result<()> {
        let Some(server) = nats::start(folder, &[]).await? else {
            return Ok(());
        };
        let client = async_nats::connect(nats::url(&server)).await?;
        let stream = r#"{"name":"rows","subjects":["rows"],"storage":"file"}"#;
        client
            .request("$JS.API.STREAM.CREATE.rows", stream.into())
            .await?;
        let options = format!(
            "'connector' = 'nats', 'url' = '{}', 'stream' = 'rows', 'subject' = 'rows', 'format' = 'json', 'scan.bounded.mode' = 'latest'",
            nats::url(&server)
        );
        let spent = self
            .write(&format!("CREATE TABLE out_t ({COLUMNS}) WITH ({options})"))
            .await?;
        self.say("nats, written", spent.less(self.made));
        let read = self
            .read(&format!("CREATE TABLE in_t ({COLUMNS}) WITH ({options})"))
            .await?;
        self.say("nats, read", read);
        let row = r#"{"id":1,"name":"item 1","price":1.5,"at":"2024-01-01 00:00:00"}"#;
        let begun = now()?;
        for _ in 0..self.rows {
            client.publish("nobody", row.into()).await?;
        }
        client.flush().await?;
        self.say("limit: the client, nothing stored", now()?.less(begun));
        Ok(())
    }

    async fn mqtt(&self, folder: &Path) -> Result<()> {
        let Some(broker) = mqtt::start(folder, "").await? else {
            return Ok(());
        };
        for qos in ["0", "1"] {
            let out = format!(
                "CREATE TABLE out_t ({COLUMNS}) WITH ('connector' = 'mqtt', 'url' = '{}', 'topic' = 'rows', 'qos' = '{qos}', 'format' = 'json')",
                mqtt::url(&broker)
            );
            let spent = self.write(&out).await?;
            self.say(&format!("mqtt quality {qos}, written"), spent.less(self.made));
        }
        Ok(())
    }

    async fn kafka(&self, folder: &Path) -> Result<()> {
        let Some(kafka) = Kafka::start(folder).await? else {
            return Ok(());
        };
        let options = |topic: &str| {
            format!(
                "'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{}', 'format' = 'json',
                 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'",
                kafka.bootstrap()
            )
        };
        for guarantee in ["at-least-once", "exactly-once"] {
            kafka.create_topic(guarantee, 4, &[]).await?;
            let out = format!(
                "CREATE TABLE out_t ({COLUMNS}) WITH ({}, 'sink.delivery-guarantee' = '{guarantee}')",
                options(guarantee)
            );
            let spent = self.write(&out).await?;
            self.say(&format!("kafka {guarantee}, written"), spent.less(self.made));
        }
        let table = format!(
            "CREATE TABLE in_t ({COLUMNS}) WITH ({})",
            options("at-least-once")
        );
        self.say("kafka, read", self.read(&table).await?);
        Ok(())
    }
}

fn best(known: &mut Option<Spent>, spent: Spent) {
    *known = Some(known.map_or(spent, |known| known.least(spent)));
}

/// Bytes of the files of a folder.
fn size(folder: &Path) -> Result<u64> {
    let sizes = fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len()));
    sizes.sum()
}

fn plain_read(folder: &Path) -> Result<Spent> {
    let begun = now()?;
    let mut buffer = vec![0; 1 << 20];
    for entry in fs::read_dir(folder)? {
        let mut file = fs::File::open(entry?.path())?;
        while file.read(&mut buffer)? > 0 {}
    }
    Ok(now()?.less(begun))
}

fn now() -> Result<Spent> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(Spent {
        seconds: SystemClock::new().now_ms() as f64 / 1e3,
        cpu_seconds: seconds(usage.user_time()) + seconds(usage.system_time()),
    })
}
