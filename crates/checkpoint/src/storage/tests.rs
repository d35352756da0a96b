use std::{
    fmt::{self, Display},
    future::Future,
    ops::Range,
    sync::atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStoreExt as _,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory,
};
use weir_env::ManualClock;

use super::*;
use crate::manifest::{CheckpointId, FORMAT, Files, FilesFormat, Kind, Manifest, StateFile, SubtaskState};

/// A store in memory that loses some requests, or their answers.
#[derive(Debug, Default)]
struct Flaky {
    store: InMemory,
    /// Requests that never arrive.
    lost: AtomicU32,
    /// Requests whose answer never arrives.
    unanswered: AtomicU32,
}

impl Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flaky")
    }
}

fn take_one(from: &AtomicU32) -> bool {
    from.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
        .is_ok()
}

impl Flaky {
    async fn ask<T>(
        &self,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> object_store::Result<T> {
        let gone = |source: &str| Error::Generic {
            store: "flaky",
            source: source.into(),
        };
        if take_one(&self.lost) {
            return Err(gone("lost"));
        }
        let answer = request.await;
        if take_one(&self.unanswered) {
            Err(gone("no answer"))
        } else {
            answer
        }
    }
}

#[async_trait]
impl ObjectStore for Flaky {
    async fn put_opts(
        &self,
        at: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.ask(self.store.put_opts(at, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.ask(self.store.put_multipart_opts(at, options)).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.ask(self.store.get_opts(at, options)).await
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        self.ask(self.store.get_ranges(at, ranges)).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.store.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        if take_one(&self.lost) {
            let error = Error::Generic {
                store: "flaky",
                source: "lost".into(),
            };
            return futures::stream::once(async { Err(error) }).boxed();
        }
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.ask(self.store.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.ask(self.store.copy_opts(from, to, options)).await
    }
}

fn folder(store: &Arc<Flaky>, clock: &ManualClock) -> Folder {
    Folder::new(
        Arc::clone(store) as Arc<dyn ObjectStore>,
        Path::from("a/b"),
        "s3://a/b",
        Arc::new(clock.clone()),
    )
}

/// Runs to the end, with time that passes whenever something waits.
async fn run<T>(clock: &ManualClock, task: impl Future<Output = T>) -> T {
    tokio::pin!(task);
    loop {
        tokio::select! {
            biased;
            done = &mut task => return done,
            () = tokio::task::yield_now() => clock.advance(Duration::from_millis(100)),
        }
    }
}

fn manifest(files: &[(&str, &[u8])]) -> Manifest {
    let file = |(path, content): &(&str, &[u8])| StateFile {
        name: "rows".to_owned(),
        path: (*path).to_owned(),
        bytes: content.len() as u64,
        crc32: crc32fast::hash(content),
    };
    Manifest {
        format: FORMAT,
        weir_version: "1".to_owned(),
        kind: Kind::Checkpoint,
        job: "j".to_owned(),
        checkpoint: CheckpointId(4),
        generation: 1,
        created_at_ms: 0,
        max_parallelism: 1024,
        subtasks: vec![SubtaskState {
            task: 0,
            subtask: 0,
            key_groups: 0..1024,
            finished: false,
            operators: vec![],
            files: Files {
                format: FilesFormat::Sorted,
                files: files.iter().map(file).collect(),
            },
            in_flight: None,
        }],
    }
}

const PATH: &str = "checkpoints/4/manifest.json";

#[tokio::test]
async fn a_manifest_is_read_as_it_was_written_and_never_overwritten() {
    let (store, clock) = (Arc::default(), ManualClock::new());
    clock.advance(Duration::from_secs(5));
    let folder = folder(&store, &clock);
    let missing = run(&clock, folder.read_manifest(PATH)).await;
    assert_eq!(missing, Err(Unreadable::Missing(format!("s3://a/b/{PATH}"))));
    run(&clock, folder.write_manifest(PATH, manifest(&[])))
        .await
        .expect("it is written");
    let read = run(&clock, folder.read_manifest(PATH))
        .await
        .expect("it is there");
    assert!(read.created_at_ms >= 5000);
    assert_eq!(
        Manifest {
            created_at_ms: 0,
            ..read.clone()
        },
        manifest(&[])
    );

    let other = manifest(&[("x", b"1")]);
    let refused = run(&clock, folder.write_manifest(PATH, other))
        .await
        .expect_err("one is there");
    assert_eq!(
        refused.message,
        format!("there is another manifest {PATH} already")
    );
    assert_eq!(run(&clock, folder.read_manifest(PATH)).await, Ok(read.clone()));
    assert_eq!(run(&clock, folder.void(PATH)).await, Ok(Some(read)));
}

#[tokio::test]
async fn an_answer_that_is_lost_does_not_make_a_written_manifest_a_failure() {
    let (store, clock) = (Arc::new(Flaky::default()), ManualClock::new());
    store.lost.store(2, Ordering::SeqCst);
    store.unanswered.store(1, Ordering::SeqCst);
    let folder = folder(&store, &clock);
    run(&clock, folder.write_manifest(PATH, manifest(&[])))
        .await
        .expect("the third attempt wrote it");
    assert!(run(&clock, folder.read_manifest(PATH)).await.is_ok());
    assert_eq!(store.unanswered.load(Ordering::SeqCst), 0, "the fault did happen");
}

#[tokio::test]
async fn a_failure_to_write_says_that_the_manifest_never_will_be_there() {
    let (store, clock) = (Arc::new(Flaky::default()), ManualClock::new());
    store.lost.store(ATTEMPTS + 25, Ordering::SeqCst);
    let folder = folder(&store, &clock);
    let failed = run(&clock, folder.write_manifest(PATH, manifest(&[]))).await;
    let failed = failed.expect_err("all attempts were lost");
    assert!(
        failed
            .message
            .starts_with("cannot write s3://a/b/checkpoints/4/manifest.json: "),
        "{failed}"
    );
    assert_eq!(
        store.lost.load(Ordering::SeqCst),
        0,
        "it waits until the store is back"
    );
    let missing = run(&clock, folder.read_manifest(PATH)).await;
    assert!(matches!(missing, Err(Unreadable::Missing(_))), "{missing:?}");
    let late = run(&clock, folder.write_manifest(PATH, manifest(&[])))
        .await
        .expect_err("it was given up");
    assert!(
        late.message.ends_with("was given up by another process"),
        "{late}"
    );
}

#[tokio::test]
async fn manifests_of_newer_versions_and_broken_ones_are_told_apart() {
    let (store, clock) = (Arc::default(), ManualClock::new());
    let folder = folder(&store, &clock);
    let cases = [
        (
            r#"{"format":3}"#,
            "it has format 3, of a newer version of Weir, and this one knows formats up to 2",
        ),
        (
            r#"{"format":1}"#,
            "missing field `weir_version` at line 1 column 12",
        ),
        ("", "EOF while parsing a value at line 1 column 0"),
    ];
    for (content, expected) in cases {
        folder
            .store
            .put(&folder.at("m"), content.into())
            .await
            .expect("it is put");
        let Err(Unreadable::Damaged { why, .. }) = run(&clock, folder.read_manifest("m")).await else {
            panic!("{content} was read")
        };
        assert_eq!(why, expected);
    }
}

#[tokio::test]
async fn a_manifest_with_a_damaged_byte_is_never_taken_for_another() {
    let (store, clock) = (Arc::default(), ManualClock::new());
    let folder = folder(&store, &clock);
    run(&clock, folder.write_manifest(PATH, manifest(&[("x", b"1")])))
        .await
        .expect("it is written");
    let written = run(&clock, folder.read_manifest(PATH))
        .await
        .expect("it is there");
    let at = folder.at(PATH);
    let bytes = folder.store.get(&at).await.expect("it is there");
    let bytes = bytes.bytes().await.expect("bytes");
    let mut noticed = 0;
    for (place, flip) in (0..bytes.len()).flat_map(|place| [(place, 1), (place, 0x20)]) {
        let mut damaged = bytes.to_vec();
        damaged[place] ^= flip;
        folder.store.put(&at, damaged.into()).await.expect("it is put");
        match run(&clock, folder.read_manifest(PATH)).await {
            // What the checksum is called says nothing.
            Ok(read) => assert_eq!(read, written, "byte {place}"),
            Err(Unreadable::Damaged { .. }) => noticed += 1,
            Err(other) => panic!("byte {place}: {other}"),
        }
    }
    assert!(noticed >= 2 * (bytes.len() - 10), "{noticed} of {}", bytes.len());
}

#[tokio::test]
async fn files_are_listed_checked_copied_and_deleted() {
    let local = tempfile::tempdir().expect("a folder");
    let clock = ManualClock::new();
    let stores = Stores::new(Arc::new(clock.clone()), vec![]);
    let url = format!("file://{}/not/there yet", local.path().display());
    let one = stores.folder(&url).expect("a folder");
    assert_eq!(run(&clock, one.list("")).await, Ok(vec![]));
    for (path, content) in [
        ("data/0-0/1-a", "alpha"),
        ("data/0-1/1-b", "beta"),
        ("c", "gamma"),
    ] {
        one.store
            .put(&one.at(path), content.into())
            .await
            .expect("it is put");
    }
    let flaky = Arc::new(Flaky::default());
    flaky.lost.store(3, Ordering::SeqCst);
    let two = folder(&flaky, &clock);
    for path in ["data/0-0/1-a", "data/0-1/1-b"] {
        run(&clock, one.copy_to(&two, path)).await.expect("it is copied");
    }
    let listed = run(&clock, two.list("")).await.expect("a list");
    let listed: Vec<(&str, u64)> = listed.iter().map(|o| (o.path.as_str(), o.bytes)).collect();
    assert_eq!(listed, [("data/0-0/1-a", 5), ("data/0-1/1-b", 4)]);

    let manifest = manifest(&[
        ("data/0-0/1-a", b"alpha"),
        ("data/0-1/1-b", b"bet!"),
        ("gone", b"x"),
    ]);
    let files = &manifest.subtasks[0].files.files;
    let short = StateFile {
        bytes: 4,
        ..files[0].clone()
    };
    assert_eq!(
        run(&clock, two.check(&manifest)).await,
        Ok(vec!["s3://a/b/gone is missing".to_owned()])
    );
    assert_eq!(run(&clock, two.verify(&files[0])).await, Ok(None));
    let damaged = run(&clock, two.verify(&files[1]))
        .await
        .expect("it is read")
        .expect("it is damaged");
    assert!(
        damaged.starts_with("s3://a/b/data/0-1/1-b is damaged: its checksum is "),
        "{damaged}"
    );
    let length = "s3://a/b/data/0-0/1-a has 5 bytes in place of 4".to_owned();
    assert_eq!(run(&clock, two.verify(&short)).await, Ok(Some(length)));

    let paths = [
        "data/0-0/1-a".to_owned(),
        "never".to_owned(),
        "data/0-1/1-b".to_owned(),
        "c".to_owned(),
    ];
    run(&clock, one.delete(&paths)).await.expect("they are deleted");
    assert_eq!(run(&clock, one.list("")).await, Ok(vec![]));
}

#[test]
fn folders_are_known_by_their_url() {
    let stores = Stores::new(
        Arc::new(ManualClock::new()),
        vec![
            ("s3.endpoint".to_owned(), "http://127.0.0.1:9000".to_owned()),
            ("s3.region".to_owned(), "here".to_owned()),
            ("s3.path.style.access".to_owned(), "true".to_owned()),
        ],
    );
    let root = |url: &str| {
        stores
            .folder(url)
            .map(|folder| folder.root.to_string())
            .map_err(|e| e.message)
    };
    assert_eq!(root("file:///var/weir/"), Ok("var/weir".to_owned()));
    assert_eq!(root("/var/weir"), Ok("var/weir".to_owned()));
    assert_eq!(root("file:/var/weir"), Ok("var/weir".to_owned()));
    assert_eq!(root("s3://bucket/some/folder/"), Ok("some/folder".to_owned()));
    assert_eq!(root("s3a://bucket"), Ok(String::new()));
    let no =
        |url: &str, why: &str| assert_eq!(root(url), Err(format!("'{url}' is no folder for state: {why}")));
    no(
        "hdfs://x/y",
        "there is no 'hdfs' here, but s3://bucket/folder and file:///folder",
    );
    no("weir", "it must be a whole path, from / on");
    no("file://weir", "it must be a whole path, from / on");
    no("s3:///folder", "it names no bucket, as s3://bucket/folder does");
    let one = stores.folder("s3://bucket/a").expect("a folder");
    let two = stores.folder("s3://bucket/b").expect("a folder");
    assert!(Arc::ptr_eq(&one.store, &two.store), "connections are shared");
    assert!(one.store.to_string().contains("bucket"));
}
