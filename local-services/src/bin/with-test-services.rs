//! `with-test-services COMMAND...`: runs the command with a throwaway Postgres for all its tests,
//! named in `TICKETING_TEST_DATABASE_URL`, and passes its exit code on.

use std::error::Error;
use std::process::{ExitCode, ExitStatus};

use local_services::testing::{DATABASE_URL_VARIABLE, TestFolder};
use local_services::{Durability, Postgres};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// Of the shell: the command did not run, or was ended by a signal.
const NOT_RUN: u8 = 127;
const ENDED_BY_SIGNAL: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            ExitCode::from(code.unwrap_or(ENDED_BY_SIGNAL))
        }
        Err(error) => {
            complain(&*error);
            ExitCode::from(NOT_RUN)
        }
    }
}

async fn run() -> Result<ExitStatus, Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().ok_or("usage: with-test-services COMMAND...")?;
    let folder = TestFolder::new();
    let postgres = Postgres::start(folder.path(), Durability::Throwaway).await?;
    let child =
        Command::new(&program).args(arguments).env(DATABASE_URL_VARIABLE, postgres.url()).spawn();
    let status = match child {
        Ok(child) => wait(child).await,
        Err(error) => Err(error),
    };
    postgres.stop().await;
    status.map_err(|error| format!("{}: {error}", program.display()).into())
}

/// The command gets the terminal's Ctrl-C by itself, a `SIGTERM` through us; both times we wait
/// for its end before the services go.
async fn wait(mut child: Child) -> std::io::Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            status = child.wait() => return status,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => pass_on(&child),
        }
    }
}

fn pass_on(child: &Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended meanwhile.
        let _gone = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGTERM,
        );
    }
}

#[allow(clippy::print_stderr, reason = "a command-line tool's one line to its user")]
fn complain(error: &dyn Error) {
    let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    eprintln!("error: {error}{source}");
}
