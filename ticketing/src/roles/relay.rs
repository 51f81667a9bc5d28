//! `ticketing relay`

use clap::Args;

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

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    settings.metrics.serve()?;
    let (log, pool) = (settings.log.open()?, settings.database.open()?);
    let nats = relay::Settings {
        replicas: settings.nats_replicas.into(),
        ..relay::Settings::at(settings.nats_url)
    };
    println!("relay: forwarding to stream {}", nats.stream);
    relay::run(log, pool, nats, shutdown).await?;
    Ok(())
}
