//! A job on real processes that are killed and frozen at random: what it writes is, to the row, what it would have written undisturbed.
//!
//! `script/chaos --minutes 60 --seed 7` runs it. Variables say what a run is like:
//! `WEIR_CHAOS_SECONDS`, `WEIR_CHAOS_SEED`, `WEIR_CHAOS_RATE` (events a second), and `WEIR_CHAOS_REPORT`, the file for its report.
//!
//! In reading order:
//!
//! - `job`: the job's script, and what has to come out. Leans on nothing.
//! - `faults`: what is done to the cluster. Leans on nothing.
//! - `check`: what came out against what had to. Leans on nothing.
//! - `report`: a run, for people. Leans on `faults` and `check`.

use std::{collections::BTreeSet, env, fs, path::Path, str::FromStr, time::Duration};

use anyhow::{Context, Result, ensure};
use sqlx::{PgPool, postgres::PgPoolOptions};
use weir_control_plane::private_postgres::PrivatePostgres;
use weir_env::{Clock, SystemClock};
use weir_model::{JobId, Phase, api::CheckpointStatus};
use weir_tests::cluster::{self, Cluster, Size};

mod check;
mod faults;
mod job;
mod report;

use faults::{Chance, Chaos, Done, FAULTS, Plan};
use job::{Events, OUTPUTS};
use report::Report;

const CHECKPOINT_MS: u64 = 500;
/// How long the job may take to end once nothing is done to it any more, beside the time that its rows take.
const END_TIMEOUT: Duration = Duration::from_mins(2);

/// What a run is like.
#[derive(Clone, Copy, Debug)]
struct Settings {
    /// How long the source has rows for, in which faults happen.
    seconds: u64,
    events: Events,
}

impl Settings {
    fn read() -> Result<Self> {
        let seconds = number("WEIR_CHAOS_SECONDS", 40)?;
        let rate = number("WEIR_CHAOS_RATE", 2_000)?;
        let seed = number("WEIR_CHAOS_SEED", 1)?;
        Ok(Self {
            seconds,
            events: Events {
                count: seconds * rate,
                rate,
                seed,
            },
        })
    }
}

fn number<T: FromStr>(variable: &str, default: T) -> Result<T> {
    match env::var(variable) {
        Ok(text) => text
            .parse()
            .ok()
            .with_context(|| format!("{variable} is '{text}', which is no number")),
        Err(_) => Ok(default),
    }
}

#[test]
fn no_row_is_lost_and_none_comes_twice_whatever_is_killed() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    if let Err(error) = runtime.block_on(run()) {
        panic!("{error:?}");
    }
}

async fn run() -> Result<()> {
    let settings = Settings::read()?;
    println!("{settings:?}");
    let expected = job::expected(settings.events).await?;
    let folder = cluster::folder()?;
    let server = PrivatePostgres::start(&folder.path().join("outputs")).await?;
    let url = server.url().replacen("postgres://", "postgresql://", 1);
    let database = PgPoolOptions::new().connect(&url).await?;
    job::create_tables(&database).await?;
    let report = run_job(
        settings,
        folder.path(),
        &format!("jdbc:{url}"),
        &database,
        &expected,
    )
    .await?;
    drop(database);
    server.stop().await;

    println!("{}", report.text());
    if let Ok(path) = env::var("WEIR_CHAOS_REPORT") {
        fs::write(&path, report.text()).with_context(|| format!("writing {path}"))?;
    }
    ensure!(
        report.is_clean(),
        "what came out is not what had to:\n{}",
        report.differences_text()
    );
    check_faults(&report, settings)
}

/// A run proves nothing if nothing happened in it.
fn check_faults(report: &Report, settings: Settings) -> Result<()> {
    let kinds: BTreeSet<_> = report.faults.iter().map(|done| done.fault).collect();
    if settings.seconds >= 40 {
        ensure!(
            kinds.len() == FAULTS.len(),
            "of the kinds of faults only these happened: {kinds:?}"
        );
    }
    ensure!(
        report.executions > 2,
        "the job was deployed {} times: the faults did not hit it",
        report.executions
    );
    ensure!(report.checkpoints > 0, "no checkpoint was completed");
    Ok(())
}

/// Runs the job among faults, and compares what comes out.
async fn run_job(
    settings: Settings,
    folder: &Path,
    database_url: &str,
    database: &PgPool,
    expected: &[Vec<String>],
) -> Result<Report> {
    let files = folder.join("files");
    let size = Size { workers: 3, slots: 2 };
    let cluster = Cluster::start(folder, size).await?;
    let clock = SystemClock::new();
    let script = job::script(settings.events, CHECKPOINT_MS, &files, database_url);
    let job = cluster.api.start(&script, 2).await?;
    cluster
        .api
        .wait_phase(job.id, Phase::Running, Duration::from_mins(1))
        .await?;
    let faults = trouble(settings, &cluster, job.id, &clock)
        .await
        .with_context(|| cluster.log_text())?;
    let limit = Duration::from_secs(settings.seconds) + END_TIMEOUT;
    let end = cluster.api.wait_phase(job.id, Phase::Finished, limit).await;
    if end.is_err() {
        println!("{}", story(&cluster, job.id).await?);
    }
    end?;
    let mut differences = Vec::new();
    for (output, expected) in OUTPUTS.iter().zip(expected) {
        let found = job::found(output, &files, database).await?;
        let compared = check::compare(expected, found, output.compared())?;
        println!("{}: {compared}", output.name);
        differences.push((output.name, compared));
    }
    let list = cluster.api.checkpoints(job.id).await?.checkpoints;
    let failed = list.iter().filter(|c| c.status == CheckpointStatus::Failed);
    let report = Report {
        events: settings.events,
        took: clock.elapsed(),
        faults,
        executions: cluster.api.executions(job.id).await?.executions.len(),
        // Only the newest are listed.
        checkpoints: list.first().map_or(0, |newest| newest.number),
        failed_checkpoints: failed.count(),
        differences,
    };
    cluster.stop()?;
    Ok(report)
}

/// Makes faults happen for as long as the source has rows.
async fn trouble(
    settings: Settings,
    cluster: &Cluster,
    job: JobId,
    clock: &SystemClock,
) -> Result<Vec<Done>> {
    let mut plan = Plan::new(settings.events.seed);
    let mut chaos = Chaos {
        cluster,
        job,
        chance: Chance(settings.events.seed ^ 0xc4a0),
    };
    let mut done = Vec::new();
    let end = Duration::from_secs(settings.seconds);
    loop {
        clock.sleep(plan.pause()).await;
        let over = clock.elapsed() > end;
        // The job's own time stands still while it recovers: there are rows left for what is to come.
        if over && (done.len() >= FAULTS.len() || is_over(cluster, job).await?) {
            return Ok(done);
        }
        let fault = plan.next();
        println!("{:7.1} s  {fault}", clock.elapsed().as_secs_f64());
        chaos.inflict(fault).await.with_context(|| format!("{fault}"))?;
        let recovered_after = if plan.is_impatient() {
            None
        } else {
            let took = chaos.recovery().await?;
            println!(
                "{:7.1} s  the job gets on after {:.1} s",
                clock.elapsed().as_secs_f64(),
                took.as_secs_f64()
            );
            Some(took)
        };
        done.push(Done {
            fault,
            recovered_after,
        });
        if is_over(cluster, job).await? {
            return Ok(done);
        }
    }
}

/// What a cluster tells of a job that does not end.
async fn story(cluster: &Cluster, job: JobId) -> Result<String> {
    let checkpoints = cluster.api.checkpoints(job).await?.checkpoints;
    let newest: Vec<_> = checkpoints.iter().take(5).collect();
    let events = cluster.api.events(job).await?.events;
    let last: Vec<_> = events
        .iter()
        .take(20)
        .map(|e| format!("{} {}", e.kind, e.message))
        .collect();
    let operators = cluster.api.metrics(job).await?.operators;
    let rows: Vec<_> = operators
        .iter()
        .map(|o| (o.operator, o.rows_in, o.rows_out))
        .collect();
    Ok(format!(
        "{newest:#?}\n{last:#?}\n{rows:#?}\n{}",
        cluster.log_text()
    ))
}

async fn is_over(cluster: &Cluster, job: JobId) -> Result<bool> {
    // Without an answer it is not known to be over.
    Ok(cluster
        .api
        .job(job)
        .await
        .is_ok_and(|job| job.phase.is_terminal()))
}
