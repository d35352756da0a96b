//! The command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use weir_connector::options::parse_duration;

/// A stream processing cluster with a web console.
#[derive(Debug, Parser)]
#[command(name = "weir", version, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 done; 1 the job or the operation failed; 2 wrong usage, SQL or request; \
                        3 the server cannot be reached."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a local cluster: metadata store, control plane with its console, and workers.
    #[command(after_help = "Example: weir up --workers 2 --slots 4 --data-dir ./weir-data")]
    Up(Up),
    /// Run the control plane of a cluster.
    #[command(
        after_help = "Example: DATABASE_URL=postgres://weir@db/weir weir control-plane --listen 127.0.0.1:8473"
    )]
    ControlPlane(ControlPlane),
    /// Run a worker of a cluster.
    #[command(after_help = "Example: weir worker --control-plane http://127.0.0.1:8474 --slots 4")]
    Worker(Worker),
    /// Start a job on the cluster.
    #[command(
        after_help = "Example: weir run examples/visitors-per-country/query.sql --parallelism 2 --wait"
    )]
    Run(Run),
    /// Look at the rows that a script's queries give, on the cluster, and leave no job behind.
    #[command(after_help = "Example: weir preview query.sql --rows 20 --for 10s")]
    Preview(Preview),
    /// List jobs, the newest first.
    #[command(after_help = "Example: weir list --json | jq -r '.jobs[].name'")]
    List(Client),
    /// Show a job: its state, its operators and why it failed.
    #[command(after_help = "Example: weir show visitors-per-country")]
    Show(JobCommand),
    /// Give a job up, with its state.
    #[command(after_help = "Example: weir cancel 0192f0c1")]
    Cancel(JobCommand),
    /// Stop a job with a savepoint, to resume it some day.
    #[command(after_help = "Example: weir stop visitors-per-country && weir resume visitors-per-country")]
    Stop(Stop),
    /// Let a stopped job go on.
    #[command(after_help = "Example: weir resume visitors-per-country")]
    Resume(JobCommand),
    /// Change the parallelism of a job.
    #[command(after_help = "Example: weir rescale visitors-per-country --parallelism 4")]
    Rescale(Rescale),
    /// List the checkpoints of a job, the newest first.
    #[command(after_help = "Example: weir checkpoints visitors-per-country")]
    Checkpoints(JobCommand),
    /// Take a savepoint of a job, which goes on.
    #[command(after_help = "Example: weir savepoint visitors-per-country --name before-the-change")]
    Savepoint(Savepoint),
    /// List savepoints, or show, verify, export, import or delete one.
    #[command(after_help = "Example: weir savepoints verify before-the-change")]
    Savepoints(Savepoints),
    /// Delete what in the state folder no checkpoint refers to that is kept.
    #[command(after_help = "Example: weir gc --dry-run")]
    Gc(Gc),
    /// Delete a job that has ended, with its history.
    #[command(after_help = "Example: weir delete 0192f0c1")]
    Delete(JobCommand),
    /// Print the plan of a script without running it.
    #[command(after_help = "Example: weir explain examples/bids-per-auction/query.sql")]
    Explain(Explain),
    /// List connectors and formats, or what one of them takes.
    #[command(after_help = "Example: weir connectors kafka")]
    Connectors(Connectors),
    /// List, set and delete secrets, which tables name by `${secret:name}`.
    #[command(after_help = "Example: weir secrets set db-password < password.txt")]
    Secrets(Secrets),
    /// Test whether the tables of a script can be read and written now, and show some of their rows.
    #[command(after_help = "Example: weir test tables.sql")]
    Test(Test),
    /// Propose the definition of a table for what a topic, a file or the like has.
    #[command(after_help = "Example: weir infer --connector filesystem -o path=orders.csv > tables.sql")]
    Infer(Infer),
    /// Run a script in this process: no cluster, no metadata store; printed rows go to the standard output.
    #[command(after_help = "Example: weir local examples/average-sensor-reading/query.sql --stats")]
    Local(Local),
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Where the console and the REST API listen.
    #[arg(long, default_value = "127.0.0.1:8473", env = "WEIR_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// Where workers reach the control plane; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) grpc_listen: SocketAddr,
    /// Where the metadata store, logs and examples are kept.
    #[arg(long, default_value = ".weir", env = "WEIR_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// Worker processes to start.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=256))]
    pub(crate) workers: u32,
    /// Slots per worker: how many subtasks of a job it runs side by side.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) slots: u32,
    /// Memory of each worker to divide: databases of state share an eighth of it. Bytes, or a number with k, m or g.
    #[arg(long, default_value = "2g", value_parser = memory, env = "WEIR_MEMORY")]
    pub(crate) memory: u64,
    /// A PostgreSQL server to keep the metadata in. Default: a private one in the data directory.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// Where checkpoints and savepoints go: a folder, or the URL of one (`s3://bucket/folder`). Default: `state` in the
    /// data directory.
    #[arg(long, env = "WEIR_CHECKPOINT_DIR")]
    pub(crate) checkpoint_dir: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ControlPlane {
    /// Where the console and the REST API listen.
    #[arg(long, default_value = "127.0.0.1:8473", env = "WEIR_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// Where workers reach it.
    #[arg(long, default_value = "127.0.0.1:8474", env = "WEIR_GRPC_LISTEN")]
    pub(crate) grpc_listen: SocketAddr,
    /// The PostgreSQL database that keeps the metadata.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
    /// The key that seals secrets: 32 random bytes in base64, as `openssl rand -base64 32` makes them. Without a key, no secrets are kept.
    #[arg(long, env = "WEIR_SECRET_KEY", hide_env_values = true)]
    pub(crate) secret_key: Option<String>,
    /// A file with that key.
    #[arg(long, env = "WEIR_SECRET_KEY_FILE")]
    pub(crate) secret_key_file: Option<PathBuf>,
    /// Where the examples' inputs are written, so that the example scripts find them.
    #[arg(long, default_value = ".weir", env = "WEIR_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// Where checkpoints and savepoints go: a folder, or the URL of one (`s3://bucket/folder`), that all workers reach
    /// under the same name. Default: none are taken.
    #[arg(long, env = "WEIR_CHECKPOINT_DIR")]
    pub(crate) checkpoint_dir: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// The control plane's gRPC address.
    #[arg(long, default_value = "http://127.0.0.1:8474", env = "WEIR_CONTROL_PLANE")]
    pub(crate) control_plane: String,
    /// Where other workers send rows to; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", env = "WEIR_EXCHANGE_LISTEN")]
    pub(crate) exchange_listen: SocketAddr,
    /// The host name under which other workers reach this one. Default: the address it listens on.
    #[arg(long, env = "WEIR_ADVERTISE_HOST")]
    pub(crate) advertise_host: Option<String>,
    /// Slots: how many subtasks of a job it runs side by side.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024), env = "WEIR_SLOTS")]
    pub(crate) slots: u32,
    /// Threads that compute. Default: one per core.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// A folder on a local disk for the databases of state, which may be lost. Default: one among the system's temporary files.
    #[arg(long, env = "WEIR_STATE_DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Memory to divide: databases of state share an eighth of it. Bytes, or a number with k, m or g.
    #[arg(long, default_value = "2g", value_parser = memory, env = "WEIR_MEMORY")]
    pub(crate) memory: u64,
}

/// What every client command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Client {
    /// The cluster's address.
    #[arg(long, default_value = "http://127.0.0.1:8473", env = "WEIR_URL")]
    pub(crate) url: String,
    /// Print the server's JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The script; `-` reads the standard input.
    pub(crate) file: PathBuf,
    /// A name for the job. Default: the script's `pipeline.name`, else made from its sinks.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Subtasks per operator. Default: the script's `parallelism.default`, else 1.
    #[arg(long, short)]
    pub(crate) parallelism: Option<u32>,
    /// Wait until the job ends, print the rows of its `print` sinks (at most 1000), and fail if it failed.
    #[arg(long)]
    pub(crate) wait: bool,
    /// The savepoint that it begins with: its id, the beginning of it, or its name.
    #[arg(long, value_name = "SAVEPOINT")]
    pub(crate) from: Option<String>,
    /// Leave state of the savepoint behind that no operator of the script wants.
    #[arg(long, requires = "from")]
    pub(crate) allow_dropped_state: bool,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct Preview {
    /// The script, with a SELECT as it would stand in an INSERT INTO; `-` reads the standard input.
    pub(crate) file: PathBuf,
    /// End after so many rows.
    #[arg(long, default_value_t = 100)]
    pub(crate) rows: u64,
    /// End after this time. Default: none, until Ctrl-C or the end of the input.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Subtasks per operator. Default: the script's `parallelism.default`, else 1.
    #[arg(long, short)]
    pub(crate) parallelism: Option<u32>,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// The job's id, the beginning of it, or its name.
    pub(crate) job: String,
    /// End event time before the savepoint, so that all windows are emitted.
    #[arg(long, conflicts_with = "no_savepoint")]
    pub(crate) drain: bool,
    /// Stop at once; the job goes on from its last checkpoint.
    #[arg(long)]
    pub(crate) no_savepoint: bool,
    /// The savepoint's name. Default: the job's name.
    #[arg(long, conflicts_with = "no_savepoint")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct Rescale {
    /// The job's id, the beginning of it, or its name.
    pub(crate) job: String,
    /// Subtasks per operator.
    #[arg(long, short, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) parallelism: u32,
    /// Do not wait until it runs at the new parallelism.
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct Savepoint {
    /// The job's id, the beginning of it, or its name.
    pub(crate) job: String,
    /// The savepoint's name. Default: the job's name.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What it is for.
    #[arg(long, default_value = "")]
    pub(crate) description: String,
    /// A word to find it by; may be given several times.
    #[arg(long = "tag")]
    pub(crate) tags: Vec<String>,
    /// Do not wait until it is there.
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Savepoints {
    #[command(subcommand)]
    pub(crate) action: Option<SavepointsAction>,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SavepointsAction {
    /// List savepoints, the newest first.
    List(Client),
    /// Show a savepoint.
    Show(SavepointCommand),
    /// Delete a savepoint with all of its files.
    Delete(SavepointCommand),
    /// Read every byte of a savepoint and compare checksums.
    Verify(SavepointCommand),
    /// Copy a savepoint, as one folder, to another store or for another cluster.
    Export(ExportSavepoint),
    /// Copy a savepoint that was exported into this cluster.
    Import(ImportSavepoint),
    /// Say what a job with a script would begin with, operator by operator.
    Check(CheckSavepoint),
}

#[derive(Debug, Args)]
pub(crate) struct SavepointCommand {
    /// The savepoint's id, the beginning of it, or its name.
    pub(crate) savepoint: String,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct ExportSavepoint {
    /// The savepoint's id, the beginning of it, or its name.
    pub(crate) savepoint: String,
    /// A folder that the control plane reaches, or the URL of one (`s3://bucket/folder`).
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct ImportSavepoint {
    /// The folder that it was exported to, or the URL of that.
    pub(crate) from: String,
    /// Its name. Default: the one that it had.
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct CheckSavepoint {
    /// The savepoint's id, the beginning of it, or its name.
    pub(crate) savepoint: String,
    /// The script; `-` reads the standard input.
    pub(crate) file: PathBuf,
    /// Subtasks per operator. Default: the script's `parallelism.default`, else 1.
    #[arg(long, short)]
    pub(crate) parallelism: Option<u32>,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct Gc {
    /// List what would be deleted, and delete nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct JobCommand {
    /// The job's id, the beginning of it, or its name.
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The script; `-` reads the standard input.
    pub(crate) file: PathBuf,
    /// Subtasks per operator. Default: the script's `parallelism.default`, else 1.
    #[arg(long, short)]
    pub(crate) parallelism: Option<u32>,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct Secrets {
    #[command(subcommand)]
    pub(crate) action: Option<SecretsAction>,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsAction {
    /// List the names of secrets.
    List(Client),
    /// Set a secret to what comes from the standard input, without the line end behind it.
    Set(SecretCommand),
    /// Delete a secret that no job names which has not ended.
    Delete(SecretCommand),
}

#[derive(Debug, Args)]
pub(crate) struct SecretCommand {
    /// The secret's name: up to 64 letters, digits, `_`, `-` and `.`.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct Connectors {
    /// The connector or format; without, all of them by name.
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// A script with CREATE TABLE statements; `-` reads the standard input. What else is in it is not run.
    pub(crate) file: PathBuf,
    /// Rows to show of each table that can be read.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) rows: u32,
    #[command(flatten)]
    pub(crate) client: Client,
}

#[derive(Debug, Args)]
pub(crate) struct Infer {
    /// The connector, as in `'connector' = '...'`.
    #[arg(long)]
    pub(crate) connector: String,
    /// An option of the table, as `path=orders.json`; several times for several.
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) option: Vec<(String, String)>,
    /// The format. Default: what the first records look like.
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// The table's name.
    #[arg(long, default_value = "t")]
    pub(crate) name: String,
    /// Records to look at.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) records: u32,
    #[command(flatten)]
    pub(crate) client: Client,
}

/// An option and its value.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write it as key=value".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Local {
    /// The script; `-` reads the standard input.
    pub(crate) file: PathBuf,
    /// Subtasks per operator. Default: the script's `parallelism.default`, else 1.
    #[arg(long, short)]
    pub(crate) parallelism: Option<u32>,
    /// Print one JSON line on the standard error at the end: rows, wall and CPU seconds, peak memory.
    #[arg(long)]
    pub(crate) stats: bool,
    /// Threads that compute. Default: one per core.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// The least memory that a worker can do with.
///
/// A process with a job takes about 40 MiB beside state, databases have 16 MiB, and what is written to disk needs as much on its way.
const MIN_MEMORY_BYTES: u64 = 128 << 20;

/// A size in bytes: a number, and k, m or g for so many times 1024.
fn memory(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => Some(0),
        "k" | "kb" => Some(10),
        "m" | "mb" => Some(20),
        "g" | "gb" => Some(30),
        _ => None,
    };
    let bytes = number.parse::<u64>().ok().zip(shift);
    let bytes = bytes.and_then(|(number, shift)| number.checked_mul(1 << shift));
    match bytes {
        Some(bytes) if bytes >= MIN_MEMORY_BYTES => Ok(bytes),
        Some(_) => Err("a worker needs 128m at least".to_owned()),
        None => Err("it is no size: write 512m or 4g, for instance".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes_are_numbers_with_a_unit() {
        assert_eq!(memory("134217728"), Ok(128 << 20));
        assert_eq!(memory("512m"), Ok(512 << 20));
        assert_eq!(memory("3GB"), Ok(3 << 30));
        assert_eq!(memory("131072k"), Ok(128 << 20));
        assert!(memory("127m").is_err_and(|e| e.contains("128m")));
        for wrong in ["", "m", "1t", "-1g", "1.5g", "99999999999g"] {
            assert!(memory(wrong).is_err_and(|e| e.contains("no size")), "{wrong}");
        }
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Arguments::command().get_subcommands() {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.starts_with("Example: weir") || help.contains(" weir "),
                "{} has none",
                command.get_name()
            );
        }
    }
}
