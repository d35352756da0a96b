//! Folders by their URL.

use std::{collections::HashMap, fmt, path::Path as FilePath, sync::Arc, time::Duration};

use object_store::{ObjectStore, RetryConfig, local::LocalFileSystem, path::Path};
use parking_lot::Mutex;
use weir_env::Clock;
use weir_model::Failure;

use super::{Folder, s3};

/// Opens folders. Clones share their connections.
#[derive(Clone)]
pub struct Stores {
    clock: Arc<dyn Clock>,
    settings: Arc<Vec<(String, String)>>,
    /// Of buckets, by name.
    open: Arc<Mutex<HashMap<String, Arc<dyn ObjectStore>>>>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Settings have secrets.
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}

impl Stores {
    /// Opens folders with these settings, as [`s3::bucket`] takes them.
    pub fn new(clock: Arc<dyn Clock>, settings: Vec<(String, String)>) -> Self {
        Self {
            clock,
            settings: Arc::new(settings),
            open: Arc::default(),
        }
    }

    /// The folder at a URL: `file:///folder`, `/folder` or `s3://bucket/folder`. It need not be there.
    pub fn folder(&self, url: &str) -> Result<Folder, Failure> {
        let wrong = |why: String| Failure::user(format!("'{}' is no folder for state: {why}", hide(url)));
        let (store, root) = if let Some((bucket, path)) = s3::bucket_and_path(url) {
            let root = Path::parse(path.trim_matches('/')).map_err(|e| wrong(e.to_string()))?;
            (self.bucket(bucket).map_err(wrong)?, root)
        } else {
            let root = local_path(url).map_err(wrong)?;
            let store = LocalFileSystem::new().with_automatic_cleanup(true);
            (Arc::new(store) as Arc<dyn ObjectStore>, root)
        };
        Ok(Folder {
            store,
            root,
            url: url.trim_end_matches('/').to_owned(),
            clock: Arc::clone(&self.clock),
        })
    }

    fn bucket(&self, bucket: &str) -> Result<Arc<dyn ObjectStore>, String> {
        if bucket.is_empty() {
            return Err("it names no bucket, as s3://bucket/folder does".to_owned());
        }
        let mut open = self.open.lock();
        if let Some(store) = open.get(bucket) {
            return Ok(Arc::clone(store));
        }
        let settings = self.settings.iter();
        let settings = settings.map(|(key, value)| (key.as_str(), value.as_str()));
        let store = s3::bucket(bucket, settings, retry()).map_err(|e| e.to_string())?;
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        open.insert(bucket.to_owned(), Arc::clone(&store));
        Ok(store)
    }
}

fn retry() -> RetryConfig {
    RetryConfig {
        // What takes longer is tried again by us.
        max_retries: 2,
        retry_timeout: Duration::from_secs(20),
        ..RetryConfig::default()
    }
}

/// The path of a local folder, of `file:///folder` or `/folder`.
fn local_path(url: &str) -> Result<Path, String> {
    let path = match url.split_once("://") {
        None => url.strip_prefix("file:").unwrap_or(url),
        Some(("file", rest)) => rest,
        Some((scheme, _)) => {
            return Err(format!(
                "there is no '{scheme}' here, but s3://bucket/folder and file:///folder"
            ));
        }
    };
    if !path.starts_with('/') {
        return Err("it must be a whole path, from / on".to_owned());
    }
    Path::from_absolute_path(FilePath::new(path)).map_err(|e| e.to_string())
}

/// A URL without what may be a secret in it.
fn hide(url: &str) -> String {
    match url
        .split_once("://")
        .and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1)))
    {
        Some((scheme, rest)) => format!("{scheme}://...@{rest}"),
        None => url.to_owned(),
    }
}
