//! Files are uploaded once, and are where they should be.

use weir_checkpoint::manifest::FilesFormat;

use super::*;

async fn complete(backend: &mut Backend, checkpoint: u64, rows: &Rows) -> Persisted {
    let persisted = persist(backend, checkpoint, all(rows)).await.expect("is written");
    backend.complete(CheckpointId(checkpoint));
    persisted
}

fn paths(persisted: &Persisted) -> Vec<String> {
    let files = persisted.files.files.iter();
    files.map(|file| file.path.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_has_not_changed_is_not_uploaded_again() {
    let world = World::new();
    let mut backend = world.open(Kind::Rocksdb, 1).await;
    let first = complete(&mut backend, 1, &some_rows(0..40_000)).await;
    assert!(
        first.bytes_full > 100_000 && first.bytes_new == first.bytes_full,
        "{first:?}"
    );
    let second = complete(&mut backend, 2, &some_rows(0..100)).await;
    assert!(second.bytes_full > first.bytes_full);
    assert!(second.bytes_new * 10 < second.bytes_full, "{second:?}");
    let third = complete(&mut backend, 3, &Rows::new()).await;
    assert_eq!(
        (third.bytes_new, &third.files),
        (0, &second.files),
        "nothing has changed"
    );

    // A checkpoint that was not completed may be removed.
    let fourth = persist(&mut backend, 4, all(&some_rows(0..10)))
        .await
        .expect("is written");
    backend.abort(CheckpointId(4));
    let fifth = complete(&mut backend, 5, &Rows::new()).await;
    assert_eq!(fifth.bytes_new, fourth.bytes_new, "its files are uploaded again");
    assert!(
        paths(&fifth).iter().all(|path| !path.contains("/4-")),
        "{fifth:?}"
    );

    // Whoever takes the database over refers to its files.
    let from = [world.restored(state_of(&backend, &fifth))];
    drop(backend);
    let mut next = world.open(Kind::Rocksdb, 2).await;
    let rows = restore(&mut next, &from).await.expect("is read");
    assert_eq!(rows.len(), 40_000);
    let sixth = complete(&mut next, 6, &some_rows(50_000..50_001)).await;
    assert!(sixth.bytes_new * 10 < sixth.bytes_full, "{sixth:?}");
    let sorted_files = paths(&fifth)
        .into_iter()
        .filter(|path| !path.contains("MANIFEST"));
    assert!(
        sorted_files.into_iter().all(|path| paths(&sixth).contains(&path)),
        "{sixth:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_another_folder_are_not_referred_to() {
    let world = World::new();
    let mut backend = world.open(Kind::Rocksdb, 1).await;
    let first = complete(&mut backend, 1, &some_rows(0..1000)).await;
    let mut from = [world.restored(state_of(&backend, &first))];
    drop(backend);
    from[0].folder.url = "s3://elsewhere".to_owned();
    let mut next = world.open(Kind::Rocksdb, 2).await;
    restore(&mut next, &from).await.expect("is read");
    let second = complete(&mut next, 2, &Rows::new()).await;
    assert_eq!(second.bytes_new, second.bytes_full);
    assert!(
        paths(&second).iter().all(|path| path.starts_with("g2/s0/2-")),
        "{second:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_taken_in_order_even_if_nobody_waits_for_them() {
    let world = World::new();
    let mut backend = world.open(Kind::Rocksdb, 1).await;
    let mut futures = Vec::new();
    for checkpoint in 1..=8 {
        let mut changes = no_changes();
        delete(&(0, 0, 1, String::new()), &mut changes);
        write(&[(&(0, 0, 1, String::new()), Some(checkpoint))], &mut changes);
        futures.push(backend.persist(CheckpointId(checkpoint as u64), changes, Persist::Checkpoint));
    }
    let last = futures.pop().expect("eight").await.expect("is written");
    drop(futures);
    let from = [world.restored(state_of(&backend, &last))];
    let mut next = world.open(Kind::Memory, 2).await;
    let rows = restore(&mut next, &from).await.expect("is read");
    assert_eq!(rows, Rows::from([((0, 0, 1, String::new()), Some(8))]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_savepoint_of_a_database_has_all_of_it_and_its_changes_count_for_the_next_checkpoint() {
    let world = World::new();
    let mut backend = world.open(Kind::Rocksdb, 1).await;
    complete(&mut backend, 1, &some_rows(0..10)).await;
    let to = Persist::Savepoint(world.files("savepoint/0"));
    let savepoint = backend
        .persist(CheckpointId(2), all(&some_rows(10..20)), to)
        .await
        .expect("is written");
    assert_eq!(paths(&savepoint), ["savepoint/0/2-rows"]);
    assert_eq!(savepoint.files.format, FilesFormat::Sorted);
    let third = complete(&mut backend, 3, &Rows::new()).await;
    assert!(
        paths(&third).iter().all(|path| !path.starts_with("savepoint/")),
        "{third:?}"
    );
    for persisted in [savepoint, third] {
        let from = [world.restored(state_of(&backend, &persisted))];
        let mut next = world.open(Kind::Memory, 2).await;
        assert_eq!(restore(&mut next, &from).await, Ok(some_rows(0..20)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_savepoint_of_a_database_whose_rows_are_all_deleted_has_none() {
    let world = World::new();
    let mut backend = world.open(Kind::Rocksdb, 1).await;
    let rows = some_rows(0..3);
    complete(&mut backend, 1, &rows).await;
    let mut changes = no_changes();
    for key in rows.keys() {
        delete(key, &mut changes);
    }
    let to = Persist::Savepoint(world.files("savepoint/0"));
    let savepoint = backend.persist(CheckpointId(2), changes, to).await;
    let from = [world.restored(state_of(&backend, &savepoint.expect("is written")))];
    let mut next = world.open(Kind::Rocksdb, 2).await;
    assert_eq!(restore(&mut next, &from).await, Ok(Rows::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_for_operators_without_rows() {
    let world = World::new();
    for kind in [Kind::Rocksdb, Kind::Memory] {
        let mut backend = world.open(kind, 1).await;
        let persisted = complete(&mut backend, 1, &Rows::new()).await;
        assert_eq!(persisted.bytes_full, 0);
        assert!(persisted.files.files.is_empty());
        assert_eq!(persisted.files.format, backend.format());
        let from = [world.restored(state_of(&backend, &persisted))];
        drop(backend);
        let mut next = world.open(kind, 2).await;
        assert_eq!(restore(&mut next, &from).await, Ok(Rows::new()));
        assert!(
            names(&next.shared.config.folder).is_empty(),
            "no database for nothing"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_needed_for_a_while_is_removed_from_the_disk() {
    let world = World::new();
    let mut backend = world.open(Kind::Rocksdb, 1).await;
    let first = complete(&mut backend, 1, &some_rows(0..1000)).await;
    let mut from = [world.restored(state_of(&backend, &first))];
    assert_eq!(names(&backend.shared.config.folder), ["db"]);
    from[0].state.key_groups = 0..MAX_PARALLELISM - 1;
    let mut next = world.open(Kind::Rocksdb, 2).await;
    restore(&mut next, &from).await.expect("is read");
    assert_eq!(names(&next.shared.config.folder), ["db"]);
    let mut next = world.open(Kind::Memory, 3).await;
    restore(&mut next, &from).await.expect("is read");
    complete(&mut next, 1, &some_rows(0..1000)).await;
    assert!(names(&next.shared.config.folder).is_empty());
}
