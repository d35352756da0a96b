//! A Kafka broker for a test: one process (broker and controller) on free ports, stopped when dropped.

use std::{
    env, fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;

use crate::{
    cluster::{die_with_test, free_port, signal_continue, signal_stop},
    services,
    skip::skip,
    wait::{Seen, until},
};

mod clients;
mod secured;

pub use clients::{Record, Transactions};
pub use secured::Secured;

const START_TIMEOUT: Duration = Duration::from_mins(1);
/// Any 16 bytes in base64: the broker's storage wants a name.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";

/// A running broker.
#[derive(Debug)]
pub struct Kafka {
    /// None: stopped.
    child: Option<Child>,
    program: Program,
    folder: PathBuf,
    port: u16,
    secured: Option<Secured>,
}

/// How the broker is run.
#[derive(Clone, Debug)]
struct Program {
    java: PathBuf,
    jars: PathBuf,
}

impl Kafka {
    /// Starts a broker that keeps its log below a folder. None: there is no program for it, and that may be.
    pub async fn start(folder: &Path) -> Result<Option<Self>> {
        Self::start_with(folder, |_| Ok(None)).await
    }

    /// The same, that can be reached by TLS and with logins too.
    pub async fn start_secured(folder: &Path) -> Result<Option<Self>> {
        Self::start_with(folder, |folder| Secured::new(folder).map(Some)).await
    }

    async fn start_with(
        folder: &Path,
        secure: impl FnOnce(&Path) -> Result<Option<Secured>>,
    ) -> Result<Option<Self>> {
        let Some(program) = Program::find() else {
            skip(
                "kafka",
                "no Kafka: script/services kafka fetches it where there is Java",
            )?;
            return Ok(None);
        };
        let folder = folder.join("kafka");
        fs::create_dir_all(&folder)?;
        let (port, controller) = (free_port()?, free_port()?);
        let secured = secure(&folder)?;
        let more = secured.as_ref().map(Secured::listeners).unwrap_or_default();
        let settings = secured.as_ref().map(Secured::settings).unwrap_or_default();
        fs::write(
            folder.join("server.properties"),
            properties(&folder, port, controller, &more) + &settings,
        )?;
        let logins = secured.as_ref().map(|_| Secured::logins()).unwrap_or_default();
        program.format(&folder, &logins)?;
        let mut broker = Self {
            child: None,
            program,
            folder,
            port,
            secured,
        };
        broker.start_again().await?;
        Ok(Some(broker))
    }

    /// Starts the broker with the log that it had when it was stopped.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the broker runs");
        self.child = Some(self.program.start(&self.folder)?);
        let port = self.port;
        until("Kafka to listen", START_TIMEOUT, async || {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().transpose()) {
                bail!("Kafka ended ({:?}): {}", status, self.log());
            }
            Ok(match TcpStream::connect(("127.0.0.1", port)) {
                Ok(_) => Seen::Done(()),
                Err(error) => Seen::NotYet(format!("{error}; it said {}", self.log())),
            })
        })
        .await
    }

    /// Kills the broker: what it had not written is gone, as if the machine had lost power for a while.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the broker does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// `host:port`, as clients are given it.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How it is reached by TLS and with logins, if it was started so.
    pub fn secured(&self) -> Option<&Secured> {
        self.secured.as_ref()
    }

    /// From now on it takes connections and answers nobody.
    pub fn freeze(&self) -> Result<()> {
        signal_stop(self.pid()?)
    }

    /// It answers again, also what was asked meanwhile.
    pub fn thaw(&self) -> Result<()> {
        signal_continue(self.pid()?)
    }

    fn pid(&self) -> Result<i32> {
        let child = self.child.as_ref().context("the broker does not run")?;
        Ok(child.id() as i32)
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        log.lines().rev().take(20).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Program {
    fn find() -> Option<Self> {
        let java = env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
        let java = java
            .filter(|java| java.is_file())
            .or_else(|| services::program("java"))?;
        let entries = fs::read_dir(services::folder()?).ok()?.flatten();
        let jars = entries.map(|entry| entry.path()).find(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("kafka-"))
        })?;
        Some(Self { java, jars })
    }

    /// Java that starts at once rather than becomes fast, and takes little memory.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.java);
        command
            .args([
                "-Xms64m",
                "-Xmx512m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
            ])
            .arg(self.jars.join("*"))
            .stdin(Stdio::null());
        command
    }

    fn format(&self, folder: &Path, more: &[String]) -> Result<()> {
        let output = self
            .command()
            .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
            .arg(folder.join("server.properties"))
            .args(more)
            .output()
            .with_context(|| format!("running {}", self.java.display()))?;
        ensure!(
            output.status.success(),
            "Kafka's storage was not made: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    fn start(&self, folder: &Path) -> Result<Child> {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))?;
        let mut command = self.command();
        command
            .arg("kafka.Kafka")
            .arg(folder.join("server.properties"))
            .current_dir(folder)
            .stdout(log.try_clone()?)
            .stderr(log);
        die_with_test(&mut command, Signal::SIGKILL);
        command
            .spawn()
            .with_context(|| format!("starting {}", self.java.display()))
    }
}

/// One broker for all: topics with one copy, and groups that do not wait for a second member.
fn properties(folder: &Path, port: u16, controller: u16, more: &str) -> String {
    let log = folder.join("data");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{more}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{more}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
log.dirs={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
",
        log.display()
    )
}
