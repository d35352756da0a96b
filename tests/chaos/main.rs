//! A job on real processes to which things happen at random: what it writes is, to the row, what it would have written undisturbed.
//!
//! `script/chaos --minutes 60 --seed 7` runs it. Variables say what a run is like:
//! `WEIR_CHAOS_SECONDS`, `WEIR_CHAOS_SEED`, `WEIR_CHAOS_RATE` (events a second), `WEIR_CHAOS_FAULTS` (kinds of faults, of all), and `WEIR_CHAOS_REPORT`, the file for its report.
//!
//! In reading order:
//!
//! - `job`: the job's script, and what has to come out. Leans on nothing.
//! - `plan`: which faults a run has. Leans on nothing.
//! - `link`: a way between two processes that can be cut, whoever speaks or for one of them. Leans on `peer`.
//! - `peer`: which process a connection comes from. Leans on nothing.
//! - `workers`: worker processes behind links. Leans on `link`.
//! - `faults`: what is done to the cluster. Leans on `plan` and `workers`.
//! - `check`: what came out against what had to. Leans on nothing.
//! - `stage`: what a run plays on. Leans on all of the above.
//! - `report`: a run, for people. Leans on `plan` and `check`.
//! - `crashes`: processes that end at each step of a commit. Leans on `stage`.
//! - `damage`: a file of the newest checkpoint is not what it was. Leans on `stage`.

use std::{collections::BTreeSet, env, fs, future::Future, str::FromStr, sync::OnceLock, time::Duration};

use anyhow::{Context, Result, ensure};
use weir_env::{Clock, SystemClock};
use weir_model::api::CheckpointStatus;
use weir_tests::skip;

mod check;
mod crashes;
mod damage;
mod faults;
mod job;
mod link;
mod peer;
mod plan;
mod report;
mod stage;
mod workers;

use faults::Chaos;
use job::{Events, OUTPUTS, Output, TOPICS, Variant};
use plan::{Done, FAULTS, FAULTS_OF_TOPICS, Fault, Plan};
use report::Report;
use stage::Stage;

/// For each kind of fault that a run begins with, so many seconds of rows at least.
const SECONDS_PER_FAULT: u64 = 6;

/// What a run is like.
#[derive(Clone, Copy, Debug)]
struct Settings {
    /// How long the source has rows for, in which faults happen.
    seconds: u64,
    events: Events,
}

impl Settings {
    /// As the variables say, or for so many seconds, by this seed.
    fn read(seconds: u64, seed: u64) -> Result<Self> {
        let seconds = number("WEIR_CHAOS_SECONDS", seconds)?;
        let rate = number("WEIR_CHAOS_RATE", 2_000)?;
        let seed = number("WEIR_CHAOS_SEED", seed)?;
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
fn no_row_is_lost_and_none_comes_twice_whatever_happens() {
    alone(run());
}

#[test]
fn rows_in_topics_are_seen_and_none_twice_whatever_happens() {
    alone(run_topics());
}

/// Runs a test alone: each has a cluster of its own, and several side by side would starve each other.
fn alone(test: impl Future<Output = Result<()>>) {
    static ONE: OnceLock<tokio::sync::Mutex<()>> = OnceLock::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let _turn = ONE.get_or_init(Default::default).lock().await;
        if let Err(error) = test.await {
            panic!("{error:?}");
        }
    });
}

async fn run() -> Result<()> {
    let settings = Settings::read(40, 22)?;
    println!("{settings:?} {:?}", Variant::of(settings.events.seed));
    let expected = job::expected(settings.events, OUTPUTS).await?;
    let stage = Stage::set(&[]).await?;
    let mut kinds = kinds(FAULTS)?;
    if let Some(why) = stage
        .workers
        .iter()
        .find_map(|worker| worker.disk.refused.as_ref())
    {
        let why = format!("{}: a disk cannot be mounted: {why}", Fault::FillDisk);
        skip::skip("disk", &why)?;
        kinds.retain(|kind| *kind != Fault::FillDisk);
    }
    run_faults(settings, stage, kinds, OUTPUTS, &expected).await
}

/// The same of rows that come from Kafka and go to Kafka, whose broker is killed too.
async fn run_topics() -> Result<()> {
    // One by which the broker is killed early.
    let mut settings = Settings::read(20, 47)?;
    // They come whether or not the job runs: there are some left when it has got over the last fault.
    settings.events.count *= 2;
    let expected = job::expected(settings.events, TOPICS).await?;
    let bids = expected.first().map_or(0, Vec::len);
    let Some(stage) = Stage::set(&[]).await?.with_topics(TOPICS, Some(bids)).await? else {
        return Ok(());
    };
    let kinds = kinds(FAULTS_OF_TOPICS)?;
    let brokers = stage.brokers().await.context("there is a broker")?;
    let (fed, ran) = tokio::join!(
        job::feed(settings.events, brokers),
        run_faults(settings, stage, kinds, TOPICS, &expected)
    );
    fed.and(ran)
}

/// Runs the job among faults of these kinds: an error if they did not happen, or if what came out is not what had to.
async fn run_faults(
    settings: Settings,
    stage: Stage,
    kinds: Vec<Fault>,
    outputs: &[Output],
    expected: &[Vec<String>],
) -> Result<()> {
    let first = (settings.seconds / SECONDS_PER_FAULT) as usize;
    let plan = Plan::new(settings.events.seed, kinds, first);
    let must_happen: BTreeSet<_> = plan.first().iter().copied().collect();
    let report = run_job(settings, &stage, plan, outputs, expected).await?;
    stage.end().await?;

    println!("{}", report.text());
    if let Ok(path) = env::var("WEIR_CHAOS_REPORT") {
        fs::write(&path, report.text()).with_context(|| format!("writing {path}"))?;
    }
    ensure!(
        report.is_clean(),
        "what came out is not what had to:\n{}",
        report.differences_text()
    );
    check_faults(&report, &must_happen)
}

/// The kinds of faults that a run is made of: of all of them, or those that are named.
fn kinds(all: &[Fault]) -> Result<Vec<Fault>> {
    let Ok(named) = env::var("WEIR_CHAOS_FAULTS") else {
        return Ok(all.to_vec());
    };
    let of_name = |name: &str| {
        let fault = all.iter().find(|fault| format!("{fault:?}") == name);
        fault
            .copied()
            .with_context(|| format!("there is no fault {name}, but {all:?}"))
    };
    named.split(',').map(of_name).collect()
}

/// A run proves nothing if nothing happened in it.
fn check_faults(report: &Report, must_happen: &BTreeSet<Fault>) -> Result<()> {
    let happened: BTreeSet<_> = report.faults.iter().map(|done| done.fault).collect();
    let missing: Vec<_> = must_happen.difference(&happened).collect();
    ensure!(missing.is_empty(), "these faults did not happen: {missing:?}");
    ensure!(report.checkpoints > 0, "no checkpoint was completed");
    let unaligned = Variant::of(report.events.seed).unaligned;
    ensure!(
        !unaligned || report.in_flight > 0,
        "no checkpoint of the newest has rows in flight"
    );
    Ok(())
}

/// Runs the job among faults, and compares what comes out.
async fn run_job(
    settings: Settings,
    stage: &Stage,
    plan: Plan,
    outputs: &[Output],
    expected: &[Vec<String>],
) -> Result<Report> {
    let clock = SystemClock::new();
    let job = stage.start(settings.events, outputs).await?.id;
    let mut chaos = stage.chaos(job, settings.events.seed ^ 0xc4a0);
    let faults = match trouble(settings, &mut chaos, plan, &clock).await {
        Ok(faults) => faults,
        Err(error) => return Err(error.context(stage.story(job).await?)),
    };
    stage.wait_finished(job, settings.events).await?;
    let differences = stage.compare(outputs, expected).await?;
    let api = &stage.cluster.api;
    let list = api.checkpoints(job).await?.checkpoints;
    let failed = list.iter().filter(|c| c.status == CheckpointStatus::Failed);
    let in_flight = list.iter().filter(|c| c.bytes_in_flight > 0);
    Ok(Report {
        events: settings.events,
        took: clock.elapsed(),
        faults,
        executions: api.executions(job).await?.executions.len(),
        // Only the newest are listed.
        checkpoints: list.first().map_or(0, |newest| newest.number),
        failed_checkpoints: failed.count(),
        in_flight: in_flight.count(),
        differences,
    })
}

/// Makes faults happen for as long as the source has rows.
async fn trouble(
    settings: Settings,
    chaos: &mut Chaos<'_>,
    mut plan: Plan,
    clock: &SystemClock,
) -> Result<Vec<Done>> {
    let mut done = Vec::new();
    let least = plan.first().len();
    let end = Duration::from_secs(settings.seconds);
    loop {
        clock.sleep(plan.pause()).await;
        let over = clock.elapsed() > end;
        // The job's own time stands still while it recovers: there are rows left for what is to come.
        if over && (done.len() >= least || is_over(chaos).await) {
            return Ok(done);
        }
        let fault = plan.next();
        println!("{:7.1} s  {fault}", clock.elapsed().as_secs_f64());
        chaos.inflict(fault).await.with_context(|| format!("{fault}"))?;
        if is_over(chaos).await {
            // It came too late to be sure that it did anything.
            return Ok(done);
        }
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
    }
}

/// Whether the job has ended. Without an answer that is not known.
async fn is_over(chaos: &Chaos<'_>) -> bool {
    let job = chaos.cluster.api.job(chaos.job).await;
    job.is_ok_and(|job| job.phase.is_terminal())
}
