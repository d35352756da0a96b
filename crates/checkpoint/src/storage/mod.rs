//! The folders that checkpoints and savepoints are kept in, on this machine or in an object store.
//!
//! - [`layout`]: where things are in them. Leans on nothing.
//! - [`s3`]: buckets. Leans on nothing.
//! - `open`: folders by their URL. Leans on `s3`.
//! - `manifests`: writes and reads manifests. Leans on `manifest`.
//! - `files`: lists, checks, copies and deletes files. Leans on `manifest`.

mod files;
pub mod layout;
mod manifests;
mod open;
pub mod s3;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use object_store::{Error, ObjectStore, path::Path};
use weir_env::Clock;
use weir_model::Failure;

pub use self::{files::Object, manifests::Unreadable, open::Stores};

/// How often something is tried that fails for reasons that may pass, with pauses that add up to 40 s.
const ATTEMPTS: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// A folder, with all that is below it. Paths are relative to it, with `/` between their parts.
#[derive(Clone)]
pub struct Folder {
    /// Where it is.
    pub store: Arc<dyn ObjectStore>,
    /// What it is called there.
    pub root: Path,
    /// What it is called by people, without a `/` at the end.
    pub url: String,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Folder({})", self.url)
    }
}

impl Folder {
    /// A folder in a store.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        root: Path,
        url: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            root,
            url: url.into(),
            clock,
        }
    }

    /// Where a path of this folder is in the store.
    pub fn at(&self, path: &str) -> Path {
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts.fold(self.root.clone(), Path::join)
    }

    /// What a path of this folder is called by people.
    fn called(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }

    fn failure(&self, what: &str, path: &str, error: &Error) -> Failure {
        Failure::external(format!("cannot {what} {}: {error}", self.called(path)))
    }

    /// Does something again until it is done, or fails for a reason that will not pass.
    async fn retrying<'a, T: Send>(
        &self,
        attempt: impl Fn() -> BoxFuture<'a, Result<T, Error>> + Send + Sync,
    ) -> Result<T, Error> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match attempt().await {
                Err(error) if may_pass(&error) => {}
                done => return done,
            }
            self.clock.sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        attempt().await
    }
}

/// Whether an error is one that trying again may mend.
fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Generic { .. } | Error::JoinError { .. })
}
