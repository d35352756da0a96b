//! `weir savepoint` and `weir savepoints`.

use weir_env::{Clock as _, SystemClock};
use weir_model::api::{
    self, Compatibility, CompatibilityRequest, CreateSavepoint, Exported, SavepointList, SavepointStatus,
    StateFate, Verification,
};

use super::run::POLL;
use crate::{
    arguments::{
        CheckSavepoint, Client, ExportSavepoint, ImportSavepoint, Savepoint, SavepointCommand, Savepoints,
        SavepointsAction,
    },
    client::Cluster,
    outcome::Outcome,
};

/// `weir savepoint JOB`.
pub(super) async fn take(arguments: Savepoint) -> Result<(), Outcome> {
    let Savepoint {
        job,
        name,
        description,
        tags,
        no_wait,
        client,
    } = arguments;
    let cluster = Cluster::at(&client.url);
    let id = cluster.find(&job).await?.id;
    let request = CreateSavepoint {
        name,
        description,
        tags,
    };
    let mut savepoint: api::Savepoint = cluster.ask(&format!("jobs/{id}/savepoints"), &request).await?;
    let clock = SystemClock::new();
    while !no_wait && savepoint.status == SavepointStatus::InProgress {
        clock.sleep(POLL).await;
        savepoint = cluster.get(&format!("savepoints/{}", savepoint.id)).await?;
    }
    if client.json {
        super::print_json(&savepoint)?;
    } else if savepoint.status != SavepointStatus::Failed {
        super::say(&savepoint.id.to_string());
    }
    match savepoint.failure {
        Some(why) => Err(Outcome::failed(format!("the savepoint failed: {why}"))),
        None => Ok(()),
    }
}

pub(super) async fn savepoints(arguments: Savepoints) -> Result<(), Outcome> {
    match arguments.action {
        None => list(arguments.client).await,
        Some(SavepointsAction::List(client)) => list(client).await,
        Some(SavepointsAction::Show(arguments)) => show(arguments).await,
        Some(SavepointsAction::Delete(arguments)) => delete(arguments).await,
        Some(SavepointsAction::Verify(arguments)) => verify(arguments).await,
        Some(SavepointsAction::Export(arguments)) => export(arguments).await,
        Some(SavepointsAction::Import(arguments)) => import(arguments).await,
        Some(SavepointsAction::Check(arguments)) => check(arguments).await,
    }
}

async fn list(client: Client) -> Result<(), Outcome> {
    let list: SavepointList = Cluster::at(&client.url).get("savepoints").await?;
    if client.json {
        return super::print_json(&list);
    }
    if list.savepoints.is_empty() {
        super::say("no savepoints yet; take one with `weir savepoint JOB`");
        return Ok(());
    }
    super::say(&format!(
        "{:36}  {:11}  {:>12}  {:24}  NAME",
        "ID", "STATUS", "BYTES", "JOB"
    ));
    for savepoint in &list.savepoints {
        let tags = match savepoint.tags.join(", ") {
            tags if tags.is_empty() => tags,
            tags => format!(" [{tags}]"),
        };
        super::say(&format!(
            "{:36}  {:11}  {:>12}  {:24}  {}{tags}",
            savepoint.id,
            savepoint.status.as_str(),
            savepoint.bytes,
            savepoint.job_name,
            savepoint.name,
        ));
    }
    Ok(())
}

async fn show(arguments: SavepointCommand) -> Result<(), Outcome> {
    let cluster = Cluster::at(&arguments.client.url);
    let id = cluster.find_savepoint(&arguments.savepoint).await?.id;
    let savepoint: api::Savepoint = cluster.get(&format!("savepoints/{id}")).await?;
    if arguments.client.json {
        return super::print_json(&savepoint);
    }
    let status = savepoint
        .failure
        .as_deref()
        .map(|why| format!(" ({why})"))
        .unwrap_or_default();
    let lines = [
        ("id", savepoint.id.to_string()),
        ("name", savepoint.name),
        ("description", savepoint.description),
        ("tags", savepoint.tags.join(", ")),
        ("status", format!("{}{status}", savepoint.status.as_str())),
        (
            "job",
            format!(
                "{} '{}', version {}",
                savepoint.job, savepoint.job_name, savepoint.job_version
            ),
        ),
        ("parallelism", savepoint.parallelism.to_string()),
        ("bytes", savepoint.bytes.to_string()),
        ("url", savepoint.url),
    ];
    for (key, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        super::say(&format!("{key:11}  {value}"));
    }
    super::say(&format!("\n{}", savepoint.sql.trim_end()));
    Ok(())
}

async fn delete(arguments: SavepointCommand) -> Result<(), Outcome> {
    let cluster = Cluster::at(&arguments.client.url);
    let savepoint = cluster.find_savepoint(&arguments.savepoint).await?;
    cluster.delete(&format!("savepoints/{}", savepoint.id)).await?;
    if arguments.client.json {
        return super::print_json(&savepoint);
    }
    super::say(&format!("savepoint {} deleted", savepoint.id));
    Ok(())
}

async fn verify(arguments: SavepointCommand) -> Result<(), Outcome> {
    let cluster = Cluster::at(&arguments.client.url);
    let id = cluster.find_savepoint(&arguments.savepoint).await?.id;
    let found: Verification = cluster.act(&format!("savepoints/{id}/verify")).await?;
    if arguments.client.json {
        super::print_json(&found)?;
    } else {
        super::say(&format!("read {} files, {} bytes", found.files, found.bytes));
    }
    if found.intact {
        return Ok(());
    }
    Err(Outcome::failed(format!(
        "savepoint {id} is damaged: {}",
        found.defects.join("; ")
    )))
}

async fn export(arguments: ExportSavepoint) -> Result<(), Outcome> {
    let cluster = Cluster::at(&arguments.client.url);
    let id = cluster.find_savepoint(&arguments.savepoint).await?.id;
    let request = api::ExportSavepoint {
        url: super::folder_url(&arguments.to)?,
    };
    let exported: Exported = cluster.ask(&format!("savepoints/{id}/export"), &request).await?;
    if arguments.client.json {
        return super::print_json(&exported);
    }
    super::say(&format!(
        "{} files, {} bytes to {}",
        exported.files, exported.bytes, exported.url
    ));
    Ok(())
}

async fn import(arguments: ImportSavepoint) -> Result<(), Outcome> {
    let request = api::ImportSavepoint {
        url: super::folder_url(&arguments.from)?,
        name: arguments.name,
    };
    let cluster = Cluster::at(&arguments.client.url);
    let savepoint: api::Savepoint = cluster.ask("savepoints/import", &request).await?;
    if arguments.client.json {
        return super::print_json(&savepoint);
    }
    super::say(&savepoint.id.to_string());
    Ok(())
}

async fn check(arguments: CheckSavepoint) -> Result<(), Outcome> {
    let sql = super::read_script(&arguments.file)?;
    let cluster = Cluster::at(&arguments.client.url);
    let id = cluster.find_savepoint(&arguments.savepoint).await?.id;
    let request = CompatibilityRequest {
        sql: sql.clone(),
        parallelism: arguments.parallelism,
    };
    let report: Compatibility = cluster
        .post(&format!("savepoints/{id}/compatibility"), &request, &sql)
        .await?;
    if arguments.client.json {
        super::print_json(&report)?;
    } else {
        for operator in &report.operators {
            let fate = match operator.fate {
                StateFate::Kept => "kept",
                StateFate::New => "new",
                StateFate::Dropped => "dropped",
                StateFate::Unusable => "unusable",
            };
            super::say(&format!("{fate:8}  {}  {}", operator.name, operator.reason));
        }
    }
    match report {
        Compatibility { compatible: true, .. } => Ok(()),
        Compatibility {
            compatible_if_dropped: true,
            ..
        } => Err(Outcome::failed(
            "state would be dropped: `weir run` needs --allow-dropped-state",
        )),
        _ => Err(Outcome::failed(
            "a job with this script cannot begin with the savepoint",
        )),
    }
}
