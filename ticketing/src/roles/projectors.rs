//! `ticketing projectors`

use clap::{Args, Subcommand};
use eventlog::EventLog;
use sqlx::PgPool;

use crate::config::{self, DatabaseAt, LogAt, Metrics};
use crate::shutdown;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Follow the log and keep the read models up to date.
    Run(Settings),
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

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    settings.metrics.serve()?;
    let (log, pool) = settings.parts()?;
    println!("projectors: following the log");
    config::until_made("read models", &shutdown, async || Ok(projectors::install(&pool).await?))
        .await;
    projectors::run(log, pool, shutdown).await?;
    Ok(())
}
