//! `weir preview`.

use weir_env::{Clock, SystemClock};
use weir_model::{
    JobId,
    api::{CreateJob, Job, Output},
};

use super::run::POLL;
use crate::{arguments::Preview, client::Cluster, outcome::Outcome};

pub(super) async fn preview(arguments: Preview) -> Result<(), Outcome> {
    let sql = super::read_script(&arguments.file)?;
    let cluster = Cluster::at(&arguments.client.url);
    let request = CreateJob {
        sql: sql.clone(),
        name: Some("preview".to_owned()),
        parallelism: arguments.parallelism,
        preview: true,
        ..CreateJob::default()
    };
    let created: Job = cluster.post("jobs", &request, &sql).await?;
    let clock = SystemClock::new();
    let seen = tokio::select! {
        seen = follow(&cluster, created.id, &arguments, &clock) => seen,
        _ = tokio::signal::ctrl_c() => Ok(None),
    };
    remove(&cluster, created.id, &clock).await?;
    match seen?.and_then(|job| job.failure) {
        Some(failure) => Err(Outcome::failed(failure.to_string())),
        None => Ok(()),
    }
}

/// Prints rows as they come; the job, if it has ended by itself.
async fn follow(
    cluster: &Cluster,
    id: JobId,
    arguments: &Preview,
    clock: &dyn Clock,
) -> Result<Option<Job>, Outcome> {
    let (begun, mut said) = (clock.elapsed(), 0);
    loop {
        let job: Job = cluster.get(&format!("jobs/{id}")).await?;
        let output: Output = cluster.get(&format!("jobs/{id}/output")).await?;
        // A job that begins again counts anew.
        let new = output.total_rows.saturating_sub(said);
        let kept = (output.rows.len() as u64).min(new);
        for row in &output.rows[output.rows.len() - kept as usize..] {
            if said == arguments.rows {
                return Ok(None);
            }
            super::say(&row.row.to_string());
            said += 1;
        }
        said = said.max(output.total_rows);
        let is_over = arguments
            .duration
            .is_some_and(|time| clock.elapsed().saturating_sub(begun) >= time);
        if said >= arguments.rows || is_over {
            return Ok(None);
        }
        if job.phase.is_terminal() {
            return Ok(Some(job));
        }
        clock.sleep(POLL).await;
    }
}

/// Ends the job and forgets it.
async fn remove(cluster: &Cluster, id: JobId, clock: &dyn Clock) -> Result<(), Outcome> {
    let mut job: Job = cluster.get(&format!("jobs/{id}")).await?;
    if !job.phase.is_terminal() {
        job = cluster.act(&format!("jobs/{id}/cancel")).await?;
    }
    while !job.phase.is_terminal() {
        clock.sleep(POLL).await;
        job = cluster.get(&format!("jobs/{id}")).await?;
    }
    cluster.delete(&format!("jobs/{id}")).await
}
