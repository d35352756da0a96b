//! Files of checkpoints that are on this machine yet are not downloaded.

use std::fs;

use weir_checkpoint::manifest::FilesFormat;

use super::*;
use crate::state::{backend::RestoredBytes, copies::LocalCopies};

const KINDS: [Kind; 2] = [Kind::Rocksdb, Kind::Memory];

/// A machine of a world, with a folder for copies.
struct Machine<'a> {
    world: &'a World,
    folder: TempDir,
}

impl<'a> Machine<'a> {
    fn new(world: &'a World) -> Self {
        let folder = TempDir::new_in(world.folder.path()).expect("a folder");
        Self { world, folder }
    }

    async fn open(&self, kind: Kind, generation: u32, subtask: u32, parallelism: u32) -> Backend {
        let copies = LocalCopies::open(self.folder.path().to_owned(), Duration::ZERO);
        let copies = copies.of_job("j", Duration::ZERO);
        let config = BackendConfig {
            copies: Some(copies.of_subtask(u64::from(generation), (0, subtask))),
            ..self.world.config(kind, generation, subtask, parallelism)
        };
        Backend::open(config).await.expect("opens")
    }

    /// Where the copy of a file is.
    fn copy(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join("j").join(path.replace('/', "+"))
    }
}

/// Takes a complete checkpoint of these rows, and says what it left.
async fn complete(backend: &mut Backend, checkpoint: u64, rows: &Rows) -> SubtaskState {
    let persisted = persist(backend, checkpoint, all(rows)).await.expect("is written");
    backend.complete(CheckpointId(checkpoint));
    state_of(backend, &persisted)
}

async fn restored(backend: &mut Backend, from: &[Restored]) -> Result<(Rows, RestoredBytes), Failure> {
    let mut rows = Rows::new();
    let bytes = backend
        .restore(from, &[], &mut |operator, table, batch| {
            take(operator, table, &batch, &mut rows);
            Ok(())
        })
        .await?;
    Ok((rows, bytes))
}

fn bytes_of(state: &SubtaskState) -> u64 {
    state.files.files.iter().map(|file| file.bytes).sum()
}

fn local(bytes: u64) -> RestoredBytes {
    RestoredBytes {
        local: bytes,
        downloaded: 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subtask_that_begins_again_on_its_machine_downloads_nothing() {
    for kind in KINDS {
        let world = World::new();
        let machine = Machine::new(&world);
        let mut backend = machine.open(kind, 1, 0, 1).await;
        let mut state = complete(&mut backend, 1, &some_rows(0..3000)).await;
        for generation in 2..5 {
            // Nothing can be downloaded.
            let store = world.on_disk("");
            let aside = world.folder.path().join("aside");
            fs::rename(&store, &aside).expect("moves");
            let mut next = machine.open(kind, generation, 0, 1).await;
            let expected = (some_rows(0..3000), local(bytes_of(&state)));
            let found = restored(&mut next, &[world.restored(state)]).await;
            assert_eq!(found, Ok(expected), "{kind:?}, generation {generation}");
            fs::rename(&aside, &store).expect("moves");
            state = complete(&mut next, u64::from(generation), &some_rows(0..3000)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_damaged_or_gone_is_downloaded_and_no_other() {
    for kind in KINDS {
        let world = World::new();
        let machine = Machine::new(&world);
        let mut backend = machine.open(kind, 1, 0, 1).await;
        let state = complete(&mut backend, 1, &some_rows(0..3000)).await;
        drop(backend);
        for (at, file) in state.files.files.iter().enumerate() {
            let copy = machine.copy(&file.path);
            let mut bytes = fs::read(&copy).expect("it is there");
            // A file of its own: that in the database's folder is the same otherwise.
            fs::remove_file(&copy).expect("removes");
            if at % 2 == 0 {
                bytes[file.bytes as usize / 2] ^= 4;
                fs::write(&copy, bytes).expect("writes");
            }
            let mut next = machine.open(kind, 2, 0, 1).await;
            let (rows, bytes) = restored(&mut next, &[world.restored(state.clone())])
                .await
                .expect("is read");
            assert_eq!(rows, some_rows(0..3000));
            assert_eq!(bytes.local, bytes_of(&state) - file.bytes, "{}", file.name);
            // A file of sorted entries is read in parts.
            let is_whole = state.files.format == FilesFormat::Rocksdb;
            assert!(
                bytes.downloaded == file.bytes || !is_whole && bytes.downloaded > 0,
                "{bytes:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_downloaded_is_kept_for_the_next_time() {
    let world = World::new();
    let mut backend = Machine::new(&world).open(Kind::Rocksdb, 1, 0, 1).await;
    let state = complete(&mut backend, 1, &some_rows(0..3000)).await;
    let elsewhere = Machine::new(&world);
    for (generation, is_there) in [(2, false), (3, true)] {
        let mut next = elsewhere.open(Kind::Rocksdb, generation, 0, 1).await;
        let (_, bytes) = restored(&mut next, &[world.restored(state.clone())])
            .await
            .expect("is read");
        let expected = if is_there { 0 } else { bytes_of(&state) };
        assert_eq!(bytes.downloaded, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_serve_another_parallelism_and_another_backend() {
    for (kind, other) in [(Kind::Rocksdb, Kind::Memory), (Kind::Memory, Kind::Rocksdb)] {
        let world = World::new();
        let machine = Machine::new(&world);
        let mut backend = machine.open(kind, 1, 0, 1).await;
        let state = complete(&mut backend, 1, &some_rows(0..3000)).await;
        fs::remove_dir_all(world.on_disk("")).expect("removes");
        let mut all = Rows::new();
        for subtask in 0..2 {
            let mut next = machine.open(other, 2, subtask, 2).await;
            let (rows, bytes) = restored(&mut next, &[world.restored(state.clone())])
                .await
                .expect("is read");
            assert_eq!(bytes, local(bytes_of(&state)));
            assert!(!rows.is_empty());
            all.extend(rows);
        }
        assert_eq!(all, some_rows(0..3000));
    }
}
