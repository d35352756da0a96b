//! What in the state folder is of no more use, over all jobs.

use std::collections::BTreeMap;

use weir_checkpoint::{
    manifest::CheckpointId,
    storage::{Object, Unreadable},
};
use weir_model::{
    JobId, Phase,
    api::{self, CheckpointKind, CheckpointStatus},
};

use super::{folder, history::Trouble};
use crate::{context::Context, db::StoreError};

/// What may be deleted of the folders of all jobs, with the reasons. Savepoints are left alone: they are people's.
pub async fn find(context: &Context, state_url: &str) -> Result<Vec<api::Garbage>, Trouble> {
    let mut found = Vec::new();
    for (job, listed) in by_job(folder::list_jobs(context, state_url).await?) {
        let Some((kept, live)) = in_use(context, job).await? else {
            continue;
        };
        let url = folder::of_job(state_url, job);
        let garbage = match folder::garbage(context, &url, &kept, live, &listed).await {
            Ok(garbage) => garbage,
            Err(Unreadable::Away(failure)) => return Err(failure.into()),
            Err(gone) => {
                tracing::warn!(%job, %gone, "nothing of the job is deleted: what it needs is not known");
                continue;
            }
        };
        found.extend(garbage.into_iter().map(|garbage| api::Garbage {
            job,
            path: garbage.object.path,
            bytes: garbage.object.bytes,
            why: garbage.why.to_string(),
        }));
    }
    Ok(found)
}

/// Deletes it.
pub async fn delete(context: &Context, state_url: &str, garbage: &[api::Garbage]) -> Result<(), Trouble> {
    let mut paths: BTreeMap<JobId, Vec<String>> = BTreeMap::new();
    for api::Garbage { job, path, .. } in garbage {
        paths.entry(*job).or_default().push(path.clone());
    }
    for (job, paths) in paths {
        folder::delete_files(context, &folder::of_job(state_url, job), &paths).await?;
    }
    Ok(())
}

/// What is listed, by the job whose folder it is in, with paths relative to that.
fn by_job(listed: Vec<Object>) -> BTreeMap<JobId, Vec<Object>> {
    let mut by_job: BTreeMap<JobId, Vec<Object>> = BTreeMap::new();
    for Object { path, bytes } in listed {
        let parts = path.strip_prefix("jobs/").and_then(|rest| rest.split_once('/'));
        if let Some((job, path)) = parts
            && let Ok(job) = job.parse()
        {
            let path = path.to_owned();
            by_job.entry(job).or_default().push(Object { path, bytes });
        }
    }
    by_job
}

/// The checkpoints of the job that are kept, and the deployment that may take others. None: it is none of our jobs.
async fn in_use(
    context: &Context,
    job: JobId,
) -> Result<Option<(Vec<CheckpointId>, Option<u64>)>, StoreError> {
    let record = match context.store.job(job).await {
        Ok(record) => record,
        Err(StoreError::NoSuchJob) => {
            // The folder may be shared with a cluster that does know it.
            let was_ours = !context.store.events_of_job(job).await?.is_empty();
            return Ok(was_ours.then(Default::default));
        }
        Err(error) => return Err(error),
    };
    let complete = context
        .store
        .checkpoints_that_are(job, CheckpointStatus::Completed)
        .await?;
    let own = complete
        .iter()
        .filter(|checkpoint| checkpoint.kind == CheckpointKind::Checkpoint);
    let kept = own.map(|checkpoint| CheckpointId(checkpoint.number)).collect();
    let over = matches!(record.phase, Phase::Cancelled | Phase::Finished | Phase::Failed);
    Ok(Some((kept, (!over).then_some(record.generation.0))))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn files_are_found_by_job_and_what_is_no_jobs_is_left_out() {
        let job = JobId(Uuid::from_u128(7));
        let object = |path: &str| Object {
            path: path.to_owned(),
            bytes: 1,
        };
        let listed = vec![
            object(&format!("jobs/{job}/checkpoints/1/manifest.json")),
            object("jobs/notes.txt"),
            object("jobs/other/state/1/0-0/1-a"),
            object("savepoints/x/manifest.json"),
        ];
        let found = by_job(listed);
        assert_eq!(found.len(), 1);
        assert_eq!(found[&job], [object("checkpoints/1/manifest.json")]);
    }
}
