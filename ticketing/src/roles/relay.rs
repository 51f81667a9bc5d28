//! `ticketing relay`: public events to NATS JetStream, and what operators do to that.

mod nats_at;
mod places;
mod put_right;
mod status;
mod verify;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use eventlog::EventLog;
use relay::{Limits, PARTITIONS_MAX, Sharing};
use sqlx::PgPool;

use crate::config::{DatabaseAt, LogAt, Metrics};
use crate::shutdown;

pub(crate) use nats_at::{Login, Url};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish the public events of the log to NATS JetStream, each once, in order.
    Run(Settings),
    /// Show how far each stream is, who works on it, and why it stands still if it does.
    Status(status::Settings),
    /// Compare every message of the streams with the log; exit code 1 if one differs.
    Verify(verify::Settings),
    /// After a halt: take the streams as they are now for right, and go on or fill them.
    Resume(put_right::Resume),
    /// Have streams filled anew from the log.
    Rewind(put_right::Rewind),
    /// Allow another number of partitions, to be filled beside the one there is.
    Grow(put_right::Grow),
}

#[derive(Args, Debug)]
#[command(after_help = "Any number of these may run: each stream has one at work at a time, the \
others stand by, and with several partitions they share them. When going on would be guessing, the \
relay stops with a line that says what to do; `ticketing relay status` shows it again.")]
pub(crate) struct Settings {
    #[command(flatten)]
    log: LogAt,
    #[command(flatten)]
    database: DatabaseAt,
    #[command(flatten)]
    nats: Url,
    #[command(flatten)]
    login: Login,
    #[command(flatten)]
    streams: Streams,
    /// For tests: publish without waiting for others to end.
    #[arg(long, hide = true)]
    racing: bool,
    /// For tests: publish one message after the other, as to a server without atomic batches.
    #[arg(long, hide = true)]
    one_by_one: bool,
    #[command(flatten)]
    metrics: Metrics,
}

/// What the streams are like.
#[derive(Args, Clone, Copy, Debug)]
struct Streams {
    /// Into how many streams the events are divided by ticket or order; each has one writer. To
    /// change it, see `ticketing relay grow`.
    #[arg(
        long,
        env = "TICKETING_PARTITIONS",
        default_value_t = 1,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(1..=i64::from(PARTITIONS_MAX))
    )]
    partitions: u16,
    /// On how many servers of a NATS cluster each message is kept: 3 in a cluster.
    #[arg(
        long,
        env = "TICKETING_NATS_REPLICAS",
        default_value_t = 1,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u8).range(1..=5)
    )]
    nats_replicas: u8,
    /// Remove messages older than this from the streams; the log keeps all. Without it, nothing is
    /// removed, or what the streams were set to.
    #[arg(long, env = "TICKETING_NATS_DAYS_MAX", value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..))]
    nats_days_max: Option<u32>,
    /// Remove the oldest messages of a stream beyond so many bytes.
    #[arg(long, env = "TICKETING_NATS_BYTES_MAX", value_name = "BYTES",
        value_parser = clap::value_parser!(i64).range(1..))]
    nats_bytes_max: Option<i64>,
}

impl Streams {
    fn limits(self) -> Limits {
        const DAY: Duration = Duration::from_secs(24 * 3_600);
        Limits {
            replicas: self.nats_replicas.into(),
            age_max: self.nats_days_max.map(|days| DAY.saturating_mul(days)),
            bytes_max: self.nats_bytes_max,
        }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.parts().map(drop)
    }

    fn parts(&self) -> anyhow::Result<(EventLog, PgPool, relay::Settings)> {
        let streams = relay::Settings {
            partitions: self.streams.partitions,
            limits: self.streams.limits(),
            sharing: if self.racing { Sharing::Racing } else { Sharing::Leases },
            atomic_batches: !self.one_by_one,
            ..relay::Settings::at(self.login.at(&self.nats.nats_url)?)
        };
        Ok((self.log.open()?, self.database.open()?, streams))
    }
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(settings) => work(settings).await?,
        Command::Status(settings) => status::run(settings).await?,
        Command::Verify(settings) => return verify::run(settings).await,
        Command::Resume(settings) => put_right::resume(settings).await?,
        Command::Rewind(settings) => put_right::rewind(settings).await?,
        Command::Grow(settings) => put_right::grow(settings).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn work(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    settings.metrics.serve()?;
    let (log, pool, streams) = settings.parts()?;
    let names: Vec<_> = streams.partitions().iter().map(relay::Partition::stream).collect();
    println!("relay: publishing to {}", names.join(", "));
    relay::run(log, pool, streams, shutdown).await?;
    Ok(())
}
