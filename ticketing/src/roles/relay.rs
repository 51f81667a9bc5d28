//! `ticketing relay`

use anyhow::Context;
use clap::Args;
use eventlog::EventLog;
use sqlx::PgPool;

use crate::config::{DatabaseAt, LogAt, Metrics};
use crate::shutdown;

#[derive(Args, Debug)]
pub(crate) struct Settings {
    #[command(flatten)]
    log: LogAt,
    #[command(flatten)]
    database: DatabaseAt,
    /// The NATS server (2.12 or newer, with JetStream): nats://host:4222.
    #[arg(long, env = "NATS_URL", value_name = "URL", hide_env_values = true)]
    nats_url: String,
    /// On how many servers of a NATS cluster each message is kept.
    #[arg(
        long,
        env = "TICKETING_NATS_REPLICAS",
        default_value_t = 1,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u8).range(1..=5)
    )]
    nats_replicas: u8,
    #[command(flatten)]
    metrics: Metrics,
}

impl Settings {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.parts().map(drop)
    }

    fn parts(&self) -> anyhow::Result<(EventLog, PgPool, relay::Settings)> {
        let nats = relay::Settings {
            replicas: self.nats_replicas.into(),
            ..relay::Settings::at(self.nats_url.clone())
        };
        nats.check().context("the address of NATS (--nats-url, NATS_URL)")?;
        Ok((self.log.open()?, self.database.open()?, nats))
    }
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    settings.metrics.serve()?;
    let (log, pool, nats) = settings.parts()?;
    println!("relay: forwarding to stream {}", nats.stream);
    relay::run(log, pool, nats, shutdown).await?;
    Ok(())
}
