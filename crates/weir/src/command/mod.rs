//! One module per command.

mod connectors;
mod control_plane;
mod explain;
mod gc;
mod jobs;
mod local;
mod preview;
mod run;
mod savepoints;
mod secrets;
mod stop;
mod supervisor;
mod up;
mod worker;

use std::{
    io::{IsTerminal as _, Read as _},
    path::Path,
};

use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::{
    arguments::{Arguments, Command},
    outcome::Outcome,
};

/// Does what the command line says.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Outcome> {
    match arguments.command {
        Command::Up(arguments) => up::up(arguments).await,
        Command::ControlPlane(arguments) => control_plane::control_plane(arguments).await,
        Command::Worker(arguments) => worker::worker(arguments).await,
        Command::Run(arguments) => run::run(arguments).await,
        Command::Preview(arguments) => preview::preview(arguments).await,
        Command::List(client) => jobs::list(client).await,
        Command::Show(arguments) => jobs::show(arguments).await,
        Command::Cancel(arguments) => jobs::cancel(arguments).await,
        Command::Gc(arguments) => gc::gc(arguments).await,
        Command::Stop(arguments) => stop::stop(arguments).await,
        Command::Resume(arguments) => stop::resume(arguments).await,
        Command::Rescale(arguments) => stop::rescale(arguments).await,
        Command::Checkpoints(arguments) => jobs::checkpoints(arguments).await,
        Command::Savepoint(arguments) => savepoints::take(arguments).await,
        Command::Savepoints(arguments) => savepoints::savepoints(arguments).await,
        Command::Delete(arguments) => jobs::delete(arguments).await,
        Command::Explain(arguments) => explain::explain(arguments).await,
        Command::Connectors(arguments) => connectors::connectors(arguments).await,
        Command::Secrets(arguments) => secrets::secrets(arguments).await,
        Command::Test(arguments) => connectors::test(arguments).await,
        Command::Infer(arguments) => connectors::infer(arguments).await,
        Command::Local(arguments) => local::local(arguments).await,
    }
}

/// A script from a file or, for `-`, from the standard input.
fn read_script(file: &Path) -> Result<String, Outcome> {
    if file == Path::new("-") {
        let mut sql = String::new();
        std::io::stdin()
            .read_to_string(&mut sql)
            .map_err(|e| Outcome::wrong(format!("cannot read the script from the standard input: {e}")))?;
        return Ok(sql);
    }
    std::fs::read_to_string(file).map_err(|e| Outcome::wrong(format!("cannot read {}: {e}", file.display())))
}

/// Prints a server's answer as it came.
fn print_json(answer: &impl Serialize) -> Result<(), Outcome> {
    let text = serde_json::to_string_pretty(answer)
        .map_err(|e| Outcome::failed(format!("cannot write the answer as JSON: {e}")))?;
    say(&text);
    Ok(())
}

/// Writes a line to the standard output; a reader that has gone away (`| head`) is not an error.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Logs to the standard error; `WEIR_LOG` filters as `tracing` does, `WEIR_LOG_FORMAT=json` makes it JSON lines.
fn init_log(default: &str) {
    let filter = EnvFilter::try_from_env("WEIR_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::env::var("WEIR_LOG_FORMAT").is_ok_and(|f| f == "json") {
        log.json().init();
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).init();
    }
}

/// A folder as a URL: one already, or a path of this machine.
fn folder_url(folder: &str) -> Result<String, Outcome> {
    if folder.contains("://") {
        return Ok(folder.trim_end_matches('/').to_owned());
    }
    let path = std::path::absolute(folder)
        .map_err(|e| Outcome::wrong(format!("'{folder}' is not a folder: {e}")))?;
    let text = path
        .to_str()
        .ok_or_else(|| Outcome::wrong(format!("'{folder}' is not UTF-8")))?;
    Ok(format!("file://{}", text.trim_end_matches('/')))
}

/// Cancelled by Ctrl-C or SIGTERM.
fn shutdown_signal() -> Result<CancellationToken, Outcome> {
    use tokio::signal::unix::{SignalKind, signal};
    let refused = |e| Outcome::failed(format!("cannot listen for signals: {e}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
    let token = CancellationToken::new();
    let asked = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        asked.cancel();
    });
    Ok(token)
}
