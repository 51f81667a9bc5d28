//! `ticketing projectors`

use clap::{Args, Subcommand};

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

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    settings.metrics.serve()?;
    let (log, pool) = (settings.log.open()?, settings.database.open()?);
    println!("projectors: following the log");
    config::until_made("read models", &shutdown, async || Ok(projectors::install(&pool).await?))
        .await;
    projectors::run(log, pool, shutdown).await?;
    Ok(())
}
