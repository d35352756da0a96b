//! `weir stop`, `resume` and `rescale`.

use std::time::Duration;

use weir_env::{Clock as _, SystemClock};
use weir_model::{
    Phase,
    api::{Job, RescaleJob, RescaleList, RescaleStatus, StopJob},
};

use super::run::POLL;
use crate::{
    arguments::{JobCommand, Rescale, Stop},
    client::Cluster,
    outcome::Outcome,
};

pub(super) async fn stop(arguments: Stop) -> Result<(), Outcome> {
    let cluster = Cluster::at(&arguments.client.url);
    let id = cluster.find(&arguments.job).await?.id;
    let request = StopJob {
        savepoint: !arguments.no_savepoint,
        drain: arguments.drain,
        name: arguments.name,
    };
    let asked: Job = cluster.ask(&format!("jobs/{id}/stop"), &request).await?;
    let job = settled(&cluster, asked, |job| job.phase != Phase::Stopping).await?;
    if arguments.client.json {
        super::print_json(&job)?;
    }
    match (job.phase, job.savepoint) {
        (Phase::Stopped, Some(savepoint)) if !arguments.no_savepoint => {
            say_unless(
                arguments.client.json,
                &format!("job {id} stopped with savepoint {savepoint}"),
            );
            Ok(())
        }
        (Phase::Stopped | Phase::Finished, _) => {
            say_unless(arguments.client.json, &format!("job {id} {}", job.phase));
            Ok(())
        }
        (phase, _) => {
            let reason = job
                .phase_reason
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default();
            Err(Outcome::failed(format!("job {id} is {phase}{reason}")))
        }
    }
}

pub(super) async fn resume(arguments: JobCommand) -> Result<(), Outcome> {
    let cluster = Cluster::at(&arguments.client.url);
    let id = cluster.find(&arguments.job).await?.id;
    let job: Job = cluster.act(&format!("jobs/{id}/resume")).await?;
    if arguments.client.json {
        return super::print_json(&job);
    }
    super::say(&format!("job {id} goes on"));
    Ok(())
}

pub(super) async fn rescale(arguments: Rescale) -> Result<(), Outcome> {
    let cluster = Cluster::at(&arguments.client.url);
    let id = cluster.find(&arguments.job).await?.id;
    let request = RescaleJob {
        parallelism: arguments.parallelism,
    };
    let asked: Job = cluster.ask(&format!("jobs/{id}/rescale"), &request).await?;
    let runs = matches!(
        asked.phase,
        Phase::Running | Phase::Scheduling | Phase::Restarting
    );
    if arguments.no_wait || !runs {
        if arguments.client.json {
            return super::print_json(&asked);
        }
        super::say(&format!("job {id} gets parallelism {}", arguments.parallelism));
        return Ok(());
    }
    let done = |job: &Job| job.phase.is_terminal() || job.rescale_to.is_none() && job.phase == Phase::Running;
    let job = settled(&cluster, asked, done).await?;
    let list: RescaleList = cluster.get(&format!("jobs/{id}/rescales")).await?;
    if arguments.client.json {
        return super::print_json(&list);
    }
    match list.rescales.first() {
        Some(last) if last.status == RescaleStatus::Completed => {
            let pause = last
                .pause_ms
                .map(|ms| format!(" after a pause of {ms} ms"))
                .unwrap_or_default();
            super::say(&format!("job {id} runs at parallelism {}{pause}", last.to));
            Ok(())
        }
        _ => Err(Outcome::failed(format!("job {id} is {}", job.phase))),
    }
}

/// Follows a job until it is settled.
async fn settled(cluster: &Cluster, mut job: Job, done: impl Fn(&Job) -> bool) -> Result<Job, Outcome> {
    let clock = SystemClock::new();
    let path = format!("jobs/{}", job.id);
    while !done(&job) {
        clock.sleep(POLL.min(Duration::from_millis(100))).await;
        job = cluster.get(&path).await?;
    }
    Ok(job)
}

fn say_unless(silent: bool, line: &str) {
    if !silent {
        super::say(line);
    }
}
