//! A table of PostgreSQL, and every change of it, joined with a topic of Kafka.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sqlx::{AssertSqlSafe, PgPool};
use weir_model::{Phase, api::WorkerState};
use weir_tests::{
    cluster::{self, Cluster, Size, kill_hard},
    kafka::{Kafka, Record},
    postgres::Logging,
    wait::{Seen, until},
};

use crate::alone;

const PATIENCE: Duration = Duration::from_mins(2);
const TOPIC: &str = "orders";

/// An order, as a message and as a row of the reference.
async fn order(kafka: &Kafka, pool: &PgPool, ids: std::ops::Range<i64>) -> Result<()> {
    let product = |id: i64| id % 7;
    let records: Vec<_> = ids
        .clone()
        .map(|id| {
            let text = format!(
                "{{\"id\": {id}, \"product\": {}, \"n\": {}}}",
                product(id),
                id % 5
            );
            Record::value((id % 2) as i32, text)
        })
        .collect();
    kafka.produce(TOPIC, &records).await?;
    for id in ids {
        sqlx::query("INSERT INTO ordered VALUES ($1, $2, $3)")
            .bind(id)
            .bind(product(id))
            .bind(id % 5)
            .execute(pool)
            .await?;
    }
    Ok(())
}

async fn execute(pool: &PgPool, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool).await?;
    Ok(())
}

/// Waits until the result is what PostgreSQL itself joins.
async fn settled(pool: &PgPool, what: &str) -> Result<()> {
    const JOINED: &str = "SELECT o.id, p.name, (o.n * p.price)::numeric(12, 2) FROM ordered o JOIN products p ON o.product = p.id";
    const WRONG: &str =
        "(SELECT * FROM result EXCEPT ALL $joined) UNION ALL ($joined EXCEPT ALL SELECT * FROM result)";
    let wrong = format!(
        "SELECT count(*) FROM ({}) AS wrong",
        WRONG.replace("$joined", &format!("({JOINED})"))
    );
    until(what, PATIENCE, async || {
        let (wrong,): (i64,) = sqlx::query_as(AssertSqlSafe(wrong.clone()))
            .fetch_one(pool)
            .await?;
        Ok(match wrong {
            0 => Seen::Done(()),
            wrong => Seen::NotYet(format!("{wrong} rows differ")),
        })
    })
    .await
}

#[test]
fn changes_of_a_table_are_joined_with_a_topic_and_survive_a_crash() {
    alone(async {
        let folder = cluster::folder()?;
        let Some(kafka) = Kafka::start(folder.path()).await? else {
            return Ok(());
        };
        kafka.create_topic(TOPIC, 2, &[]).await?;
        let postgres = Logging::start(&folder.path().join("shop")).await?;
        let pool = postgres.database("shop").await?;
        execute(
            &pool,
            "CREATE TABLE products (id bigint PRIMARY KEY, name text, price numeric(10, 2));
             INSERT INTO products SELECT i, 'product ' || i, i * 1.25 FROM generate_series(0, 6) AS i;
             CREATE TABLE ordered (id bigint, product bigint, n bigint);
             CREATE TABLE result (id bigint PRIMARY KEY, name text, amount numeric(12, 2))",
        )
        .await?;
        let cluster = Cluster::start(folder.path(), Size { workers: 2, slots: 2 }).await?;
        let sql = format!(
            "SET 'execution.checkpointing.interval' = '500 ms';
             CREATE TABLE orders (id BIGINT, product BIGINT, n BIGINT) WITH ('connector' = 'kafka', 'topic' = '{TOPIC}',
                 'properties.bootstrap.servers' = '{}', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
             CREATE TABLE products (id BIGINT, name STRING, price DECIMAL(10, 2), PRIMARY KEY (id) NOT ENFORCED) WITH (
                 'connector' = 'postgres-cdc', 'hostname' = '{}', 'username' = 'weir', 'password' = '', 'database-name' = 'shop',
                 'table-name' = 'products', 'slot.name' = 'weir_shop');
             CREATE TABLE result (id BIGINT, name STRING, amount DECIMAL(12, 2), PRIMARY KEY (id) NOT ENFORCED) WITH (
                 'connector' = 'jdbc', 'url' = 'jdbc:{}', 'table-name' = 'result');
             INSERT INTO result SELECT o.id, p.name, CAST(o.n * p.price AS DECIMAL(12, 2)) FROM orders AS o JOIN products AS p ON o.product = p.id;",
            kafka.bootstrap(),
            postgres.socket(),
            postgres.url("shop")
        );
        let job = cluster.api.start(&sql, 2).await?;
        order(&kafka, &pool, 0..500).await?;
        settled(&pool, "the orders to be joined").await?;
        execute(
            &pool,
            "UPDATE products SET price = price + 1 WHERE id = 3; DELETE FROM products WHERE id = 5; INSERT INTO products VALUES (5, 'again', 9)",
        )
        .await?;
        settled(&pool, "changed products to be seen downstream").await?;

        let workers = cluster.api.workers().await?.workers;
        let busy = workers
            .iter()
            .find(|worker| worker.state == WorkerState::Alive && worker.free_slots < worker.slots);
        kill_hard(busy.context("a worker has the job")?.pid as i32)?;
        execute(
            &pool,
            "UPDATE products SET name = 'renamed' WHERE id = 1; DELETE FROM products WHERE id = 2",
        )
        .await?;
        order(&kafka, &pool, 500..600).await?;
        settled(&pool, "what happened meanwhile").await?;
        let job = cluster.api.job(job.id).await?;
        ensure!(
            job.phase == Phase::Running && job.attempt.0 > 1,
            "it was restarted: {job:?}"
        );

        // What a checkpoint has is forgotten by the server.
        let lag = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint FROM pg_replication_slots WHERE slot_name = 'weir_shop'";
        until("the slot to move on", PATIENCE, async || {
            let (behind,): (i64,) = sqlx::query_as(lag).fetch_one(&pool).await?;
            Ok(if behind < 4096 {
                Seen::Done(())
            } else {
                Seen::NotYet(format!("it is {behind} bytes behind"))
            })
        })
        .await?;
        cluster.api.cancel(job.id).await?;
        cluster.stop()
    });
}
