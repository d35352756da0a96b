//! Manifests: written once, read with care.

use futures::FutureExt as _;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions};
use serde::Deserialize;
use weir_model::Failure;

use super::{Folder, LONGEST_PAUSE, may_pass};
use crate::manifest::{FORMAT, Manifest};

/// Why a manifest cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is none, so there is no checkpoint either.
    #[error("there is no manifest {0}")]
    Missing(String),
    /// It is no manifest of a version that this one knows.
    #[error("the manifest {path} cannot be read: {why}")]
    Damaged {
        /// Which one.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The store does not give it.
    #[error("{0}")]
    Away(Failure),
}

impl From<Unreadable> for Failure {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Away(failure) => failure,
            other => Failure::internal(other.to_string()),
        }
    }
}

/// What every version of a manifest says.
#[derive(Deserialize)]
struct Head {
    format: u32,
    /// It stands in the place of a manifest that must never come to be.
    #[serde(default)]
    void: bool,
}

/// What was made of an attempt to write where nothing may be overwritten.
enum Put {
    Written,
    /// Something else is there.
    Occupied,
}

impl Folder {
    /// Writes a manifest, with the time, where there is none. A failure says that it is not there and never will be.
    ///
    /// An attempt whose answer is lost may have been successful, and its manifest may appear later still. So the place is taken by
    /// something else before a failure is reported, however long the store is away.
    pub async fn write_manifest(&self, path: &str, mut manifest: Manifest) -> Result<(), Failure> {
        manifest.created_at_ms = self.clock.now_ms();
        let written = serde_json::to_vec(&manifest)
            .map(seal)
            .map_err(|e| Failure::internal(format!("the manifest {path} cannot be written: {e}")))?;
        let why = match self.put_new(path, &written).await {
            Ok(Put::Written) => return Ok(()),
            Ok(Put::Occupied) => {
                Failure::internal(format!("the manifest {path} was given up by another process"))
            }
            Err(error) => self.failure("write", path, &error),
        };
        loop {
            match self.put_void(path).await {
                Ok(Put::Written) => return Err(why),
                Ok(Put::Occupied) => match self.read_manifest(path).await {
                    Ok(there) if there == manifest => return Ok(()),
                    Ok(_) => {
                        return Err(Failure::internal(format!(
                            "there is another manifest {path} already"
                        )));
                    }
                    Err(Unreadable::Missing(_)) => return Err(why),
                    Err(Unreadable::Damaged { why, .. }) => {
                        let why = format!("there is something else at {path} already: {why}");
                        return Err(Failure::internal(why));
                    }
                    Err(Unreadable::Away(_)) => {}
                },
                // Nothing was let through before either.
                Err(error) if !may_pass(&error) => return Err(why),
                Err(_) => {}
            }
            self.clock.sleep(LONGEST_PAUSE).await;
        }
    }

    /// Makes sure that a manifest never comes to be that may be on its way, or finds that it is there.
    pub async fn void(&self, path: &str) -> Result<Option<Manifest>, Unreadable> {
        let put = self.put_void(path).await;
        match put.map_err(|error| Unreadable::Away(self.failure("write", path, &error)))? {
            Put::Written => Ok(None),
            Put::Occupied => match self.read_manifest(path).await {
                Ok(manifest) => Ok(Some(manifest)),
                Err(Unreadable::Missing(_)) => Ok(None),
                Err(other) => Err(other),
            },
        }
    }

    /// Reads a manifest.
    pub async fn read_manifest(&self, path: &str) -> Result<Manifest, Unreadable> {
        let at = self.at(path);
        let read = self
            .retrying(|| async { self.store.get(&at).await?.bytes().await }.boxed())
            .await;
        let bytes = read.map_err(|error| match error {
            Error::NotFound { .. } => Unreadable::Missing(self.called(path)),
            error => Unreadable::Away(self.failure("read", path, &error)),
        })?;
        let called = self.called(path);
        let head: Head = serde_json::from_slice(&bytes).map_err(|e| damaged(&called, &e))?;
        if head.void {
            return Err(Unreadable::Missing(called));
        }
        if head.format > FORMAT {
            let why = format!(
                "it has format {}, of a newer version of Weir, and this one knows formats up to {FORMAT}",
                head.format
            );
            return Err(Unreadable::Damaged { path: called, why });
        }
        check_seal(&bytes).map_err(|why| Unreadable::Damaged {
            path: called.clone(),
            why,
        })?;
        serde_json::from_slice(&bytes).map_err(|e| damaged(&called, &e))
    }

    async fn put_void(&self, path: &str) -> Result<Put, Error> {
        let void = format!(r#"{{"format":{FORMAT},"void":true}}"#);
        self.put_new(path, void.as_bytes()).await
    }

    async fn put_new(&self, path: &str, bytes: &[u8]) -> Result<Put, Error> {
        let at = self.at(path);
        let options = || PutOptions::from(PutMode::Create);
        let put = self
            .retrying(|| self.store.put_opts(&at, bytes.to_vec().into(), options()))
            .await;
        match put {
            Ok(_) => Ok(Put::Written),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Put::Occupied),
            Err(error) => Err(error),
        }
    }
}

/// How a manifest ends: the CRC-32 of what stands before, as the last member of the object.
const SEAL: &[u8] = br#","crc32":"00000000"}"#;
/// Where the digits are in that.
const DIGITS: std::ops::Range<usize> = 10..18;

fn seal(mut json: Vec<u8>) -> Vec<u8> {
    // The closing brace.
    json.pop();
    let crc32 = crc32fast::hash(&json);
    json.extend_from_slice(&SEAL[..DIGITS.start]);
    json.extend(format!("{crc32:08x}").bytes());
    json.extend_from_slice(&SEAL[DIGITS.end..]);
    json
}

/// Says what is wrong with the checksum. A manifest of an earlier version has none.
fn check_seal(bytes: &[u8]) -> Result<(), String> {
    let Some(at) = bytes.len().checked_sub(SEAL.len()) else {
        return Ok(());
    };
    let (body, seal) = bytes.split_at(at);
    if !seal.starts_with(&SEAL[..DIGITS.start]) {
        return Ok(());
    }
    let found = format!("{:08x}", crc32fast::hash(body));
    let said = String::from_utf8_lossy(&seal[DIGITS]);
    if said == found {
        Ok(())
    } else {
        Err(format!("its checksum is {found} in place of {said}"))
    }
}

fn damaged(path: &str, why: &serde_json::Error) -> Unreadable {
    Unreadable::Damaged {
        path: path.to_owned(),
        why: why.to_string(),
    }
}
