//! `ticketing projectors`

mod park;
mod places;
mod prune;
mod rebuild;
mod shown;
mod status;
mod verify;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use eventlog::EventLog;
use sqlx::PgPool;

use crate::config::{self, DatabaseAt, LogAt, Metrics};
use crate::shutdown;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Follow the log and keep the read models up to date.
    Run(Settings),
    /// Show how far each read model has come, how far behind it is, and what is parked.
    Status(status::Settings),
    /// Fill read models anew from the log beside those that readers see, prove them, and change over.
    ///
    /// Everything goes on meanwhile. Ended or killed on the way, the next rebuild goes on where it
    /// was. Readers come over only when the new tables are proven to be what the log says, and have
    /// caught up. Also after a change of the program that left the VERSION of a read model as it was.
    Rebuild(rebuild::Rebuild),
    /// Show the tables again that `rebuild --keep-old` kept, once they have caught up.
    Rollback(rebuild::Rollback),
    /// Remove the tables of older versions of the program, which readers see no more.
    ///
    /// After a deploy, when no program of the old version runs or is to be gone back to.
    Prune(prune::Settings),
    /// Show which rows a rebuild would change, before it changes over.
    ///
    /// First fill the new tables with `rebuild --no-switch`. Both are compared at the same place in
    /// the log. Exit code 1 when rows differ.
    Diff(verify::Diff),
    /// Fold the log again and compare it with the read models, while they go on.
    ///
    /// Names the first aggregate and event that are off; exit code 1 then, 0 when all is well.
    Verify(verify::Verify),
    /// Aggregates set aside because of an event that cannot be taken.
    #[command(subcommand)]
    Park(park::Command),
}

#[derive(Args, Debug)]
pub(crate) struct Settings {
    #[command(flatten)]
    log: LogAt,
    #[command(flatten)]
    database: DatabaseAt,
    #[command(flatten)]
    metrics: Metrics,
}

impl Settings {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.parts().map(drop)
    }

    fn parts(&self) -> anyhow::Result<(EventLog, PgPool)> {
        Ok((self.log.open()?, self.database.open()?))
    }
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(settings) => follow(settings).await,
        Command::Status(settings) => status::run(settings).await,
        Command::Rebuild(settings) => rebuild::rebuild(settings).await,
        Command::Rollback(settings) => rebuild::rollback(settings).await,
        Command::Prune(settings) => prune::run(settings).await,
        Command::Diff(settings) => verify::diff(settings).await,
        Command::Verify(settings) => verify::verify(settings).await,
        Command::Park(command) => park::run(command).await,
    }
}

async fn follow(settings: Settings) -> anyhow::Result<ExitCode> {
    let shutdown = shutdown::on_signal()?;
    settings.metrics.serve()?;
    let (log, pool) = settings.parts()?;
    println!("projectors: following the log");
    config::until_made("read models", &shutdown, async || Ok(projectors::install(&pool).await?))
        .await;
    projectors::run(log, pool, shutdown).await?;
    Ok(ExitCode::SUCCESS)
}
