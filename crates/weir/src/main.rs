//! The one binary: a whole cluster, its parts, and the client that steers it.
//!
//! In reading order:
//!
//! - [`allocator`]: how allocators of the process keep what is free. Leans on nothing.
//! - [`arguments`]: the command line. Leans on nothing.
//! - [`outcome`]: how a command ends: exit codes and messages. Leans on nothing.
//! - [`client`]: the REST API from the command line. Leans on `outcome`.
//! - [`examples`]: the scripts and inputs that come with the binary. Leans on nothing.
//! - [`command`]: one module per command. Leans on all of the above.

mod allocator;
mod arguments;
mod client;
mod command;
mod examples;
mod outcome;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{arguments::Arguments, outcome::Outcome};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(outcome) => {
            eprintln!("{outcome}");
            outcome.exit_code()
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Outcome::failed(format!("cannot start the runtime: {e}")))?;
    runtime.block_on(command::run(arguments))
}
