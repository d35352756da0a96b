//! Damaged files, stores that fail, disks that fail, and queries that have changed.

use std::{fmt, fs, sync::atomic::AtomicBool};

use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result, path::Path,
};
use weir_checkpoint::manifest::FilesFormat;
use weir_model::FailureClass;

use super::*;

/// A store that fails so often before it does anything, and may do what it says that it failed to do.
#[derive(Debug)]
struct Flaky {
    inner: Arc<dyn ObjectStore>,
    failures: AtomicU32,
    does_it_anyway: bool,
    hangs: AtomicBool,
}

impl Flaky {
    fn over(world: &mut World, failures: u32, does_it_anyway: bool) -> Arc<Self> {
        let flaky = Arc::new(Self {
            inner: Arc::clone(&world.store),
            failures: AtomicU32::new(failures),
            does_it_anyway,
            hangs: AtomicBool::new(false),
        });
        world.store = Arc::clone(&flaky) as Arc<dyn ObjectStore>;
        flaky
    }

    fn fails(&self) -> bool {
        let fewer = |left: u32| left.checked_sub(1);
        self.failures
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer)
            .is_ok()
    }

    fn error<T>() -> Result<T> {
        let source = "out of order".into();
        Err(object_store::Error::Generic {
            store: "flaky",
            source,
        })
    }
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flaky")
    }
}

#[async_trait]
impl ObjectStore for Flaky {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.fails() {
            if self.does_it_anyway {
                self.inner.put_opts(at, payload, options).await?;
            }
            return Self::error();
        }
        self.inner.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if self.fails() {
            return Self::error();
        }
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        if self.fails() {
            return Self::error();
        }
        self.inner.get_opts(at, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

async fn written(world: &World, kind: Kind, rows: &Rows) -> SubtaskState {
    let mut backend = world.open(kind, 1).await;
    let persisted = persist(&mut backend, 1, all(rows)).await.expect("is written");
    state_of(&backend, &persisted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_for_a_while_is_asked_again() {
    for (kind, does_it_anyway) in [(Kind::Rocksdb, true), (Kind::Memory, false), (Kind::Memory, true)] {
        let mut world = World::new();
        let flaky = Flaky::over(&mut world, 5, does_it_anyway);
        let state = written(&world, kind, &some_rows(0..50)).await;
        assert_eq!(flaky.failures.load(Ordering::Relaxed), 0, "it has failed");
        flaky.failures.store(5, Ordering::Relaxed);
        let mut next = world.open(kind, 2).await;
        assert_eq!(
            restore(&mut next, &[world.restored(state)]).await,
            Ok(some_rows(0..50))
        );
        assert_eq!(flaky.failures.load(Ordering::Relaxed), 0, "it has failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_in_parts() {
    let mut world = World::new();
    let flaky = Flaky::over(&mut world, 2, false);
    let value = |at: i64| {
        (
            (
                0,
                1,
                at,
                format!("{}", at.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64)).repeat(50),
            ),
            Some(at),
        )
    };
    let rows: Rows = (0..200_000).map(value).collect();
    let state = written(&world, Kind::Memory, &rows).await;
    assert_eq!(flaky.failures.load(Ordering::Relaxed), 0, "it has failed");
    assert!(state.files.files[0].bytes > 9 << 20, "{:?}", state.files);
    let mut next = world.open(Kind::Rocksdb, 2).await;
    assert!(restore(&mut next, &[world.restored(state)]).await == Ok(rows));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_changes_of_a_checkpoint_that_failed_are_in_the_next_one() {
    let mut world = World::new();
    let flaky = Flaky::over(&mut world, 1000, false);
    let mut backend = world.open(Kind::Rocksdb, 1).await;
    let failure = persist(&mut backend, 1, all(&some_rows(0..10)))
        .await
        .expect_err("the store is down");
    assert_eq!(failure.class, FailureClass::External);
    assert!(failure.message.contains("file:///jobs/j/g1/s0/1-"), "{failure}");
    backend.abort(CheckpointId(1));
    flaky.failures.store(0, Ordering::Relaxed);
    let second = persist(&mut backend, 2, all(&some_rows(10..20)))
        .await
        .expect("is written");
    let from = [world.restored(state_of(&backend, &second))];
    let mut next = world.open(Kind::Memory, 2).await;
    assert_eq!(restore(&mut next, &from).await, Ok(some_rows(0..20)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_disk_did_not_take_is_written_when_it_does() {
    let world = World::new();
    let mut backend = world.open(Kind::Rocksdb, 1).await;
    let database = backend.shared.config.folder.join("db");
    fs::write(&database, "in the way").expect("writes");
    let failure = persist(&mut backend, 1, all(&some_rows(0..10)))
        .await
        .expect_err("no folder");
    assert_eq!(failure.class, FailureClass::Internal);
    persist(&mut backend, 2, all(&some_rows(10..20)))
        .await
        .expect_err("no folder yet");
    fs::remove_file(&database).expect("removes");
    let third = persist(&mut backend, 3, no_changes()).await.expect("is written");
    let from = [world.restored(state_of(&backend, &third))];
    let mut next = world.open(Kind::Memory, 2).await;
    assert_eq!(restore(&mut next, &from).await, Ok(some_rows(0..20)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_checkpoint_waits_for_nothing_and_its_changes_count() {
    let mut world = World::new();
    let flaky = Flaky::over(&mut world, 0, false);
    for kind in [Kind::Rocksdb, Kind::Memory] {
        flaky.hangs.store(true, Ordering::Relaxed);
        let mut backend = world.open(kind, 1).await;
        let first = backend.persist(CheckpointId(1), all(&some_rows(0..10)), Persist::Checkpoint);
        backend.abort(CheckpointId(1));
        assert_eq!(first.await, Err(Failure::internal("checkpoint 1 was aborted")));
        flaky.hangs.store(false, Ordering::Relaxed);
        if kind == Kind::Rocksdb {
            let second = persist(&mut backend, 2, no_changes()).await.expect("is written");
            let from = [world.restored(state_of(&backend, &second))];
            let mut next = world.open(Kind::Memory, 2).await;
            assert_eq!(restore(&mut next, &from).await, Ok(some_rows(0..10)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_missing_file_is_named() {
    let world = World::new();
    for kind in [Kind::Rocksdb, Kind::Memory] {
        let state = written(&world, kind, &some_rows(0..3000)).await;
        assert!(!state.files.files.is_empty());
        for file in &state.files.files {
            let on_disk = world.on_disk(&file.path);
            let bytes = fs::read(&on_disk).expect("the file is there");
            let mut flipped = bytes.clone();
            flipped[bytes.len() / 2] ^= 4;
            let cut = bytes[..bytes.len() - 1].to_vec();
            for (damage, what) in [
                (Some(flipped), "damaged"),
                (Some(cut), "damaged"),
                (None, "cannot read"),
            ] {
                fs::remove_file(&on_disk).expect("removes");
                if let Some(damage) = damage {
                    fs::write(&on_disk, damage).expect("writes");
                }
                refused(&world, &state, &file.path, what).await;
                fs::write(&on_disk, &bytes).expect("writes");
            }
        }
        let mut next = world.open(kind, 2).await;
        assert_eq!(
            restore(&mut next, &[world.restored(state)]).await,
            Ok(some_rows(0..3000))
        );
        fs::remove_dir_all(world.on_disk("g1")).expect("removes");
    }
}

async fn refused(world: &World, state: &SubtaskState, path: &str, what: &str) {
    for kind in [Kind::Rocksdb, Kind::Memory] {
        let mut next = world.open(kind, 2).await;
        let failure = restore(&mut next, &[world.restored(state.clone())])
            .await
            .expect_err(what);
        assert_eq!(failure.class, FailureClass::External, "{failure}");
        assert!(
            failure.message.contains(&format!("file:///jobs/j/{path}")),
            "{failure}"
        );
        assert!(failure.message.contains(what), "{what}: {failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_that_came_begin_new_and_those_that_went_are_left_out() {
    let world = World::new();
    let mut rows = some_rows(0..50);
    rows.extend((0..50).map(|at| ((2, 0, at, "of b".to_owned()), None)));
    for old in [Kind::Rocksdb, Kind::Memory] {
        let state = written(&world, old, &rows).await;
        for kind in [Kind::Rocksdb, Kind::Memory] {
            let mut config = world.config(kind, 2, 0, 1);
            config.operators = vec![operator("new", &["groups"]), operator("b", &["more", "keys"])];
            let mut next = Backend::open(config).await.expect("opens");
            let expected: Rows = (0..50).map(|at| ((1, 1, at, "of b".to_owned()), None)).collect();
            assert_eq!(
                restore(&mut next, &[world.restored(state.clone())]).await,
                Ok(expected.clone())
            );
            // What a checkpoint has now is under the new positions.
            if kind == Kind::Rocksdb {
                let persisted = persist(&mut next, 2, vec![Vec::new(), Vec::new()])
                    .await
                    .expect("is written");
                let mut again = world.config(Kind::Memory, 3, 0, 1);
                again.operators = next.shared.config.operators.clone();
                let from = [world.restored(state_of(&next, &persisted))];
                let mut again = Backend::open(again).await.expect("opens");
                assert_eq!(restore(&mut again, &from).await, Ok(expected));
            }
        }
        fs::remove_dir_all(world.on_disk("")).expect("removes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_other_columns_is_refused() {
    let world = World::new();
    let state = written(&world, Kind::Rocksdb, &some_rows(0..5)).await;
    let mut config = world.config(Kind::Rocksdb, 2, 0, 1);
    config.operators[0].tables[1] =
        Table::new("rows", &[DataType::Utf8], &[DataType::Utf8], &[DataType::Int64]);
    let mut next = Backend::open(config).await.expect("opens");
    let failure = restore(&mut next, &[world.restored(state.clone())])
        .await
        .expect_err("other keys");
    assert_eq!(
        failure,
        Failure::user(
            "the state of the operator a cannot be used: the columns of the key of its table 'rows' were (Int64, Utf8) and \
             are (Utf8, Utf8) now"
        )
    );
    let mut config = world.config(Kind::Rocksdb, 2, 0, 1);
    config.operators[0].tables.pop();
    let mut next = Backend::open(config).await.expect("opens");
    let failure = restore(&mut next, &[world.restored(state)])
        .await
        .expect_err("no such table");
    assert_eq!(
        failure,
        Failure::user(
            "the state of the operator a cannot be used: it has a table 'rows', which this query does not keep"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_refuses_its_rows_ends_a_restore() {
    let world = World::new();
    let state = written(&world, Kind::Rocksdb, &some_rows(0..50_000)).await;
    assert_eq!(state.files.format, FilesFormat::Rocksdb);
    let mut next = world.open(Kind::Rocksdb, 2).await;
    let from = [world.restored(state)];
    let refused = next
        .restore(&from, &[], &mut |_, _, _| Err(Failure::internal("no")))
        .await;
    assert_eq!(refused, Err(Failure::internal("no")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_another_subtask_is_a_failure() {
    let world = World::new();
    for kind in [Kind::Rocksdb, Kind::Memory] {
        let mut backend = Backend::open(world.config(kind, 1, 0, 4)).await.expect("opens");
        let failure = persist(&mut backend, 1, all(&some_rows(0..50)))
            .await
            .expect_err("not its rows");
        assert_eq!(failure.class, FailureClass::Internal);
        assert!(failure.message.ends_with("and the subtask has 0..4"), "{failure}");
        if kind == Kind::Rocksdb {
            let later = persist(&mut backend, 2, no_changes()).await;
            assert_eq!(later, Err(failure), "changes are lost");
        }
    }
}
