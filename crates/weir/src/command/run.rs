//! `weir run`.

use std::time::Duration;

use weir_env::{Clock, SystemClock};
use weir_model::{
    Phase,
    api::{CreateJob, Job, Output},
};

use crate::{arguments::Run, client::Cluster, outcome::Outcome};

/// How often a waiting client looks at its job.
pub(super) const POLL: Duration = Duration::from_millis(200);

pub(super) async fn run(arguments: Run) -> Result<(), Outcome> {
    let sql = super::read_script(&arguments.file)?;
    let cluster = Cluster::at(&arguments.client.url);
    let from = match &arguments.from {
        Some(savepoint) => Some(cluster.find_savepoint(savepoint).await?.id),
        None => None,
    };
    let request = CreateJob {
        sql: sql.clone(),
        name: arguments.name,
        parallelism: arguments.parallelism,
        from,
        allow_dropped_state: arguments.allow_dropped_state,
        preview: false,
    };
    let created: Job = cluster.post("jobs", &request, &sql).await?;
    if !arguments.wait {
        return show_created(&created, arguments.client.json);
    }
    eprintln!("job {} '{}' created", created.id, created.name);
    let ended = wait(&cluster, created, &SystemClock::new()).await?;
    if arguments.client.json {
        super::print_json(&ended)?;
    } else {
        print_rows(&cluster, &ended).await?;
    }
    match (ended.phase, &ended.failure) {
        (Phase::Finished, _) => Ok(()),
        (phase, Some(failure)) => Err(Outcome::failed(format!("job {} {phase}: {failure}", ended.id))),
        (phase, None) => Err(Outcome::failed(format!("job {} {phase}", ended.id))),
    }
}

fn show_created(job: &Job, json: bool) -> Result<(), Outcome> {
    if json {
        return super::print_json(job);
    }
    super::say(&job.id.to_string());
    Ok(())
}

/// Follows a job to its end, saying each change on the standard error.
pub(super) async fn wait(cluster: &Cluster, mut job: Job, clock: &dyn Clock) -> Result<Job, Outcome> {
    let path = format!("jobs/{}", job.id);
    let mut said = None;
    loop {
        let now = (job.phase, job.phase_reason.clone());
        if said.as_ref() != Some(&now) {
            let reason = now.1.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
            eprintln!("job {} {}{reason}", job.id, job.phase);
            said = Some(now);
        }
        if job.phase.is_terminal() {
            return Ok(job);
        }
        clock.sleep(POLL).await;
        job = cluster.get(&path).await?;
    }
}

async fn print_rows(cluster: &Cluster, job: &Job) -> Result<(), Outcome> {
    let output: Output = cluster.get(&format!("jobs/{}/output", job.id)).await?;
    for row in &output.rows {
        super::say(&row.row.to_string());
    }
    let shown = output.rows.len() as u64;
    if output.total_rows > shown {
        eprintln!("the last {shown} of {} printed rows", output.total_rows);
    }
    Ok(())
}
