//! The private Postgres server.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use weir_control_plane::private_postgres::{PrivatePostgres, PrivatePostgresError};

use crate::cluster::eventually;

/// A data folder that only its owner can enter, as in a home folder.
fn data_dir() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("closed");
    folder
}

async fn connect(server: &PrivatePostgres) -> PgConnection {
    PgConnection::connect(server.url())
        .await
        .expect("the server answers")
}

fn server_pid(data_dir: &Path) -> Pid {
    let text = fs::read_to_string(data_dir.join("postgres/postmaster.pid")).expect("a pid file");
    Pid::from_raw(text.lines().next().expect("a line").parse().expect("a number"))
}

#[tokio::test]
async fn data_is_found_again_and_a_data_folder_serves_one_at_a_time() {
    let folder = data_dir();
    let server = PrivatePostgres::start(folder.path()).await.expect("starts");
    let mut connection = connect(&server).await;
    sqlx::query("CREATE TABLE kept (n int)")
        .execute(&mut connection)
        .await
        .expect("a table");
    let second = PrivatePostgres::start(folder.path()).await;
    assert!(
        matches!(second, Err(PrivatePostgresError::InUse { .. })),
        "{second:?}"
    );
    let pid = server_pid(folder.path());
    server.stop().await;
    assert!(kill(pid, None).is_err(), "it has stopped");

    let server = PrivatePostgres::start(folder.path()).await.expect("starts again");
    sqlx::query("SELECT n FROM kept")
        .fetch_all(&mut connect(&server).await)
        .await
        .expect("the table");
}

#[tokio::test]
async fn a_killed_server_leaves_nothing_that_stops_the_next() {
    let folder = data_dir();
    let server = PrivatePostgres::start(folder.path()).await.expect("starts");
    let pid = server_pid(folder.path());
    kill(pid, Signal::SIGKILL).expect("killed");
    eventually("its death", async || kill(pid, None).is_err().then_some(())).await;
    drop(server);
    assert!(
        folder.path().join("postgres/postmaster.pid").exists(),
        "left behind, as a crash does"
    );
    let server = PrivatePostgres::start(folder.path()).await.expect("starts again");
    connect(&server).await;
    server.stop().await;

    // The number of a process that has nothing to do with it.
    let stranger = std::process::id();
    fs::write(
        folder.path().join("postgres/postmaster.pid"),
        format!("{stranger}\n/nowhere\n"),
    )
    .expect("written");
    let server = PrivatePostgres::start(folder.path())
        .await
        .expect("starts past a stranger's number");
    connect(&server).await;
}

#[tokio::test]
async fn a_server_that_ends_by_itself_is_started_again_at_the_same_address() {
    let folder = data_dir();
    let server = PrivatePostgres::start(folder.path()).await.expect("starts");
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let pid = server_pid(folder.path());
        kill(pid, signal).expect("asked to end");
        eventually("its end", async || kill(pid, None).is_err().then_some(())).await;
        eventually("another one that answers", async || {
            PgConnection::connect(server.url()).await.ok()
        })
        .await;
        assert_ne!(server_pid(folder.path()), pid);
    }
    let pid = server_pid(folder.path());
    server.stop().await;
    assert!(kill(pid, None).is_err(), "it has stopped for good");
}

#[tokio::test]
async fn it_cannot_be_reached_over_the_network_or_by_others() {
    let folder = data_dir();
    let server = PrivatePostgres::start(folder.path()).await.expect("starts");
    let (listens,): (String,) = sqlx::query_as("SHOW listen_addresses")
        .fetch_one(&mut connect(&server).await)
        .await
        .expect("a setting");
    assert_eq!(listens, "");
    let socket_folder = server.url().split_once("host=").expect("a socket").1;
    let mode = fs::metadata(socket_folder)
        .expect("a folder")
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "{socket_folder} has mode {mode:o}");
    server.stop().await;
}

#[tokio::test]
async fn data_of_another_version_is_named_and_left_alone() {
    let folder = data_dir();
    let data = folder.path().join("postgres");
    fs::create_dir(&data).expect("a folder");
    fs::write(data.join("PG_VERSION"), "9\n").expect("written");
    let error = PrivatePostgres::start(folder.path()).await.expect_err("refused");
    assert!(
        matches!(error, PrivatePostgresError::OtherVersion { data: 9, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("made by PostgreSQL 9"), "{error}");
    assert_eq!(fs::read_dir(&data).expect("a folder").count(), 1);
}

#[tokio::test]
async fn a_start_that_was_cut_short_does_not_count() {
    let folder = data_dir();
    fs::create_dir(folder.path().join("postgres.new")).expect("a folder");
    fs::write(folder.path().join("postgres.new/PG_VERSION"), "15\n").expect("written");
    let server = PrivatePostgres::start(folder.path())
        .await
        .expect("starts afresh");
    connect(&server).await;
    assert!(!folder.path().join("postgres.new").exists());
}

#[tokio::test]
async fn a_long_path_to_the_data_is_no_hindrance() {
    let folder = data_dir();
    let long = folder.path().join("x".repeat(120));
    let server = PrivatePostgres::start(&long).await.expect("starts");
    connect(&server).await;
}
