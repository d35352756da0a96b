//! `weir list`, `show`, `checkpoints`, `cancel` and `delete`.

use weir_model::{
    api::{Checkpoint, CheckpointList, Job, JobList},
    graph::Graph,
    metrics::JobMetrics,
};

use crate::{
    arguments::{Client, JobCommand},
    client::Cluster,
    outcome::Outcome,
};

pub(super) async fn list(client: Client) -> Result<(), Outcome> {
    let list: JobList = Cluster::at(&client.url).get("jobs").await?;
    if client.json {
        return super::print_json(&list);
    }
    if list.jobs.is_empty() {
        super::say("no jobs yet; start one with `weir run FILE.sql`");
        return Ok(());
    }
    super::say(&format!(
        "{:36}  {:11}  {:>4}  {:>8}  NAME",
        "ID", "PHASE", "PAR", "ATTEMPT"
    ));
    for job in &list.jobs {
        let Job {
            id,
            phase,
            parallelism,
            attempt,
            name,
            ..
        } = job;
        super::say(&format!(
            "{id:36}  {:11}  {parallelism:>4}  {attempt:>8}  {name}",
            phase.as_str()
        ));
    }
    Ok(())
}

pub(super) async fn show(arguments: JobCommand) -> Result<(), Outcome> {
    let cluster = Cluster::at(&arguments.client.url);
    let id = cluster.find(&arguments.job).await?.id;
    let job: Job = cluster.get(&format!("jobs/{id}")).await?;
    if arguments.client.json {
        return super::print_json(&job);
    }
    let graph: Graph = cluster.get(&format!("jobs/{id}/graph")).await?;
    let metrics: JobMetrics = cluster.get(&format!("jobs/{id}/metrics")).await?;
    print_job(&job);
    print_operators(&graph, &metrics);
    Ok(())
}

fn print_job(job: &Job) {
    super::say(&format!("id           {}", job.id));
    super::say(&format!("name         {}", job.name));
    let reason = job
        .phase_reason
        .as_deref()
        .map(|r| format!(" ({r})"))
        .unwrap_or_default();
    super::say(&format!("phase        {}{reason}", job.phase));
    let rescale = job
        .rescale_to
        .map(|to| format!(" (on its way to {to})"))
        .unwrap_or_default();
    super::say(&format!("parallelism  {}{rescale}", job.parallelism));
    super::say(&format!("attempt      {}", job.attempt));
    if let Some(number) = job.last_checkpoint {
        super::say(&format!("checkpoint   {number}"));
    }
    if let Some(savepoint) = job.savepoint {
        super::say(&format!("savepoint    {savepoint}"));
    }
    if let Some(failure) = &job.failure {
        super::say(&format!("failure      {failure}"));
    }
}

fn print_operators(graph: &Graph, metrics: &JobMetrics) {
    super::say(&format!(
        "\n{:>4}  {:>14}  {:>14}  {:>10}  OPERATOR",
        "TASK", "ROWS IN", "ROWS OUT", "LATE"
    ));
    for operator in &graph.operators {
        let seen = metrics.operators.iter().find(|m| m.operator == operator.id);
        let (rows_in, rows_out, late) = seen.map_or((0, 0, 0), |m| (m.rows_in, m.rows_out, m.late_rows));
        super::say(&format!(
            "{:>4}  {rows_in:>14}  {rows_out:>14}  {late:>10}  {}",
            operator.task.0, operator.name
        ));
    }
}

pub(super) async fn checkpoints(arguments: JobCommand) -> Result<(), Outcome> {
    let cluster = Cluster::at(&arguments.client.url);
    let id = cluster.find(&arguments.job).await?.id;
    let list: CheckpointList = cluster.get(&format!("jobs/{id}/checkpoints")).await?;
    if arguments.client.json {
        return super::print_json(&list);
    }
    if list.checkpoints.is_empty() {
        super::say("no checkpoint was begun; 'execution.checkpointing.interval' says how often one is");
        return Ok(());
    }
    super::say(&format!(
        "{:>6}  {:10}  {:11}  {:>9}  {:>12}  {:>12}  FAILURE",
        "NUMBER", "KIND", "STATUS", "MS", "NEW BYTES", "ALL BYTES"
    ));
    for checkpoint in &list.checkpoints {
        let Checkpoint {
            number,
            kind,
            status,
            begun_at_ms,
            ended_at_ms,
            bytes_new,
            bytes_full,
            failure,
            ..
        } = checkpoint;
        let took_ms = ended_at_ms
            .map(|ended| (ended - begun_at_ms).to_string())
            .unwrap_or_default();
        super::say(&format!(
            "{number:>6}  {:10}  {:11}  {took_ms:>9}  {bytes_new:>12}  {bytes_full:>12}  {}",
            kind.as_str(),
            status.as_str(),
            failure.as_deref().unwrap_or_default()
        ));
    }
    Ok(())
}

pub(super) async fn cancel(arguments: JobCommand) -> Result<(), Outcome> {
    let cluster = Cluster::at(&arguments.client.url);
    let id = cluster.find(&arguments.job).await?.id;
    let job: Job = cluster.act(&format!("jobs/{id}/cancel")).await?;
    if arguments.client.json {
        return super::print_json(&job);
    }
    super::say(&format!("job {id} {}", job.phase));
    Ok(())
}

pub(super) async fn delete(arguments: JobCommand) -> Result<(), Outcome> {
    let cluster = Cluster::at(&arguments.client.url);
    let job = cluster.find(&arguments.job).await?;
    cluster.delete(&format!("jobs/{}", job.id)).await?;
    if arguments.client.json {
        return super::print_json(&job);
    }
    super::say(&format!("job {} deleted", job.id));
    Ok(())
}
