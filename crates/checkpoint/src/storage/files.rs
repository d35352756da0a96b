//! Files: listed, checked, copied, deleted.

use crc32fast::Hasher;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, WriteMultipart, path::Path};
use weir_model::Failure;

use super::Folder;
use crate::manifest::{Manifest, StateFile};

/// How many files are looked at or deleted at a time.
const AT_A_TIME: usize = 16;
/// Parts of a file that are on their way at a time.
const PARTS: usize = 4;

/// Something that is in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// Where it is.
    pub path: String,
    /// How large it is.
    pub bytes: u64,
}

impl Folder {
    /// Everything in the folder below a path, in the order of their names. Nothing: an empty path is all.
    pub async fn list(&self, below: &str) -> Result<Vec<Object>, Failure> {
        let at = self.at(below);
        let listed = self
            .retrying(|| self.store.list(Some(&at)).try_collect::<Vec<_>>().boxed())
            .await;
        let listed = match listed {
            Err(Error::NotFound { .. }) => Vec::new(),
            listed => listed.map_err(|error| self.failure("list", below, &error))?,
        };
        let object = |meta: object_store::ObjectMeta| {
            let parts = meta.location.prefix_match(&self.root)?;
            let path: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
            Some(Object {
                path: path.join("/"),
                bytes: meta.size,
            })
        };
        let mut objects: Vec<Object> = listed.into_iter().filter_map(object).collect();
        objects.sort();
        Ok(objects)
    }

    /// Deletes files. What is not there is no error. Says the first failure, having tried all.
    pub async fn delete(&self, paths: &[String]) -> Result<(), Failure> {
        let deletions: Vec<_> = paths.iter().map(|path| self.delete_one(path)).collect();
        let deletions = futures::stream::iter(deletions).buffer_unordered(AT_A_TIME);
        let results: Vec<Result<(), Failure>> = deletions.collect().await;
        results.into_iter().collect()
    }

    async fn delete_one(&self, path: &str) -> Result<(), Failure> {
        let at = self.at(path);
        match self.retrying(|| self.store.delete(&at).boxed()).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failure("delete", path, &error)),
        }
    }

    /// Looks whether all files of a manifest are there, and as long as they should be. What is wrong with each that is not.
    pub async fn check(&self, manifest: &Manifest) -> Result<Vec<String>, Failure> {
        let checks: Vec<_> = manifest.files().map(|file| self.check_one(file)).collect();
        let checks = futures::stream::iter(checks).buffered(AT_A_TIME);
        let wrong: Vec<Option<String>> = checks.try_collect().await?;
        Ok(wrong.into_iter().flatten().collect())
    }

    async fn check_one(&self, file: &StateFile) -> Result<Option<String>, Failure> {
        let at = self.at(&file.path);
        match self.retrying(|| self.store.head(&at).boxed()).await {
            Ok(found) if found.size == file.bytes => Ok(None),
            Ok(found) => Ok(Some(self.of_length(file, found.size))),
            Err(Error::NotFound { .. }) => Ok(Some(format!("{} is missing", self.called(&file.path)))),
            Err(error) => Err(self.failure("read", &file.path, &error)),
        }
    }

    fn of_length(&self, file: &StateFile, bytes: u64) -> String {
        format!(
            "{} has {bytes} bytes in place of {}",
            self.called(&file.path),
            file.bytes
        )
    }

    /// Reads all of a file, and says what is wrong with it, if anything.
    pub async fn verify(&self, file: &StateFile) -> Result<Option<String>, Failure> {
        let at = self.at(&file.path);
        match self.retrying(|| self.sum(&at).boxed()).await {
            Ok((bytes, _)) if bytes != file.bytes => Ok(Some(self.of_length(file, bytes))),
            Ok((_, crc32)) if crc32 != file.crc32 => Ok(Some(format!(
                "{} is damaged: its checksum is {crc32:08x} in place of {:08x}",
                self.called(&file.path),
                file.crc32
            ))),
            Ok(_) => Ok(None),
            Err(Error::NotFound { .. }) => Ok(Some(format!("{} is missing", self.called(&file.path)))),
            Err(error) => Err(self.failure("read", &file.path, &error)),
        }
    }

    /// The length and the checksum of a file.
    async fn sum(&self, at: &Path) -> Result<(u64, u32), Error> {
        let mut chunks = self.store.get(at).await?.into_stream();
        let (mut hasher, mut bytes) = (Hasher::new(), 0);
        while let Some(chunk) = chunks.try_next().await? {
            hasher.update(&chunk);
            bytes += chunk.len() as u64;
        }
        Ok((bytes, hasher.finalize()))
    }

    /// Copies a file to the same path of another folder, in whatever store that is.
    pub async fn copy_to(&self, to: &Self, path: &str) -> Result<(), Failure> {
        let (from_at, to_at) = (self.at(path), to.at(path));
        let copied = self.retrying(|| self.copy(&from_at, to, &to_at).boxed()).await;
        copied.map_err(|error| self.failure(&format!("copy to {}", to.url), path, &error))
    }

    async fn copy(&self, from_at: &Path, to: &Self, to_at: &Path) -> Result<(), Error> {
        let mut chunks = self.store.get(from_at).await?.into_stream();
        let mut upload = WriteMultipart::new(to.store.put_multipart(to_at).await?);
        let copied = async {
            while let Some(chunk) = chunks.try_next().await? {
                upload.wait_for_capacity(PARTS).await?;
                upload.put(chunk);
            }
            Ok::<_, Error>(())
        };
        match copied.await {
            Ok(()) => upload.finish().await.map(drop),
            Err(error) => {
                // The parts that were sent would stay and be paid for.
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }
}
