//! An S3-compatible object store for a test: a process on a free port over a folder, stopped when dropped.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::{
    cluster::{die_with_test, free_port, signal_continue, signal_stop},
    services::program,
    skip::skip,
    wait::{Seen, until},
};

const PROGRAM: &str = "versitygw";
const KEY: &str = "weir";
const SECRET: &str = "weir-secret";
const REGION: &str = "us-east-1";
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// The bucket that is there from the beginning.
pub const BUCKET: &str = "weir";

/// A running store.
#[derive(Debug)]
pub struct S3 {
    child: Child,
    port: u16,
}

impl S3 {
    /// Starts a store that keeps its objects below a folder. None: there is no program for it, and that may be.
    pub async fn start(folder: &Path) -> Result<Option<Self>> {
        let Some(program) = program(PROGRAM) else {
            skip(
                "s3",
                "no S3 store: script/services s3 installs one where there is Go",
            )?;
            return Ok(None);
        };
        let (objects, attributes) = (folder.join("s3/objects"), folder.join("s3/attributes"));
        fs::create_dir_all(objects.join(BUCKET))?;
        fs::create_dir_all(&attributes)?;
        let port = free_port()?;
        let log = fs::File::create(folder.join("s3/log"))?;
        let mut command = Command::new(&program);
        command
            .args(["--port", &format!("127.0.0.1:{port}"), "--region", REGION])
            .args(["--quiet", "--keep-alive", "posix", "--sidecar"])
            .args([&attributes, &objects])
            .env("ROOT_ACCESS_KEY", KEY)
            .env("ROOT_SECRET_KEY", SECRET)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        die_with_test(&mut command, Signal::SIGKILL);
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let store = Self { child, port };
        until("an S3 store to listen", START_TIMEOUT, async || {
            Ok(match TcpStream::connect(("127.0.0.1", port)) {
                Ok(_) => Seen::Done(()),
                Err(error) => Seen::NotYet(format!(
                    "{error}; it said {}",
                    fs::read_to_string(folder.join("s3/log")).unwrap_or_default()
                )),
            })
        })
        .await?;
        Ok(Some(store))
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What a process finds the store by.
    pub fn environment(&self) -> Vec<(String, String)> {
        let endpoint = self.endpoint();
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_REGION", REGION),
        ];
        variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }

    /// The same as settings, as `weir_checkpoint::storage::Stores` takes them.
    pub fn settings(&self) -> Vec<(String, String)> {
        let endpoint = self.endpoint();
        let settings = [
            ("s3.endpoint", endpoint.as_str()),
            ("s3.access-key", KEY),
            ("s3.secret-key", SECRET),
            ("s3.region", REGION),
        ];
        settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }

    /// From now on it takes connections and answers nobody.
    pub fn freeze(&self) -> Result<()> {
        signal_stop(self.child.id() as i32)
    }

    /// It answers again, also what was asked meanwhile.
    pub fn thaw(&self) -> Result<()> {
        signal_continue(self.child.id() as i32)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
