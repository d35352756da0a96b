//! How files become visible: what a checkpoint says of those that were written, and committing that.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use weir_env::failpoint;

use super::store::{Draft, Staged, Store};
use crate::ConnectorError;

/// So many files are closed, or published, at once.
const AT_ONCE: usize = 8;

/// Closes files.
pub(super) async fn close(drafts: Vec<Draft>) -> Result<Vec<Staged>, ConnectorError> {
    let closed = stream::iter(drafts.into_iter().map(Draft::close));
    closed.buffered(AT_ONCE).try_collect().await
}

/// What is to be committed of files that were closed, durable from now on.
pub(super) async fn stage(store: &Store, staged: Vec<Staged>) -> Result<Vec<String>, ConnectorError> {
    if staged.is_empty() {
        return Ok(Vec::new());
    }
    store.settle(&staged).await?;
    let said = staged.iter().map(|file| {
        serde_json::to_string(file).map_err(|error| {
            ConnectorError::user(format!(
                "the path of a file in '{store}' cannot be kept in a checkpoint: {error}"
            ))
        })
    });
    let commits = said.collect::<Result<_, _>>()?;
    failpoint("filesystem.prepared");
    Ok(commits)
}

/// Makes staged files visible, those that are not yet, and then files that say so of their folders, if those have a name.
pub(super) async fn commit(
    store: &Store,
    commits: &[String],
    success_file: Option<&str>,
) -> Result<(), ConnectorError> {
    if commits.is_empty() {
        return Ok(());
    }
    let parse = |commit: &String| {
        serde_json::from_str::<Staged>(commit)
            .map_err(|error| ConnectorError::internal(format!("'{commit}' is no staged file: {error}")))
    };
    let staged = commits.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let publish = async |file: &Staged| {
        store.publish(file).await?;
        failpoint("filesystem.committing");
        Ok::<_, ConnectorError>(())
    };
    let published = stream::iter(staged.iter().map(publish));
    published.buffered(AT_ONCE).try_collect::<()>().await?;
    if let Some(name) = success_file {
        store.mark(&staged, name).await?;
    }
    store.settle(&staged).await?;
    failpoint("filesystem.committed");
    Ok(())
}
