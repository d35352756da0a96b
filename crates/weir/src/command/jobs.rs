//! `weir list`, `show`, `cancel` and `delete`.

use weir_model::{
    api::{Job, JobList},
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
    super::say(&format!("parallelism  {}", job.parallelism));
    super::say(&format!("attempt      {}", job.attempt));
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
