//! Where events come from, as settings.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use relay::events::{From, Wanted};
use relay::{BrokerError, Nats, PARTITIONS_MAX, Partition, STREAM};

use crate::data_directory;
use crate::roles::relay::Login;

#[derive(Args, Clone, Debug)]
pub(super) struct Source {
    /// NATS: nats://host:4222. Without it, that of the `ticketing up` that runs in the data
    /// directory.
    #[arg(long, env = "NATS_URL", value_name = "URL", hide_env_values = true)]
    nats_url: Option<String>,
    #[command(flatten)]
    login: Login,
    /// Where `ticketing up` keeps its data.
    #[arg(long, env = "TICKETING_DATA", default_value = ".ticketing", value_name = "DIRECTORY")]
    data: PathBuf,
    /// In how many streams the events are, as `ticketing relay run` is told.
    #[arg(
        long,
        env = "TICKETING_PARTITIONS",
        default_value_t = 1,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(1..=i64::from(PARTITIONS_MAX))
    )]
    partitions: u16,
    /// Only these, as NATS filters: ticketing.<ticket or order>.<id>.<event>, with * for any word.
    #[arg(long, value_name = "SUBJECT", default_value = "ticketing.>")]
    subject: String,
}

impl Source {
    pub(super) fn open(&self, from: From) -> anyhow::Result<(Nats, Wanted)> {
        let running = || data_directory::running(&self.data).map(|running| running.nats);
        let url = self.nats_url.clone().or_else(running).with_context(|| {
            format!(
                "which NATS? Nothing runs in {}: give --nats-url (or NATS_URL), or start \
                 `ticketing up`",
                self.data.display()
            )
        })?;
        let partitions = Partition::all(STREAM, self.partitions);
        let subject = self.subject.clone();
        Ok((self.login.at(&url)?, Wanted { partitions, subject, from }))
    }
}

/// With what to do about it.
pub(super) fn explained(error: BrokerError) -> anyhow::Error {
    let hint = if matches!(error, BrokerError::Info(_)) {
        "is there a stream? A relay makes it at its first start"
    } else if matches!(error, BrokerError::Connect(_) | BrokerError::TimedOut) {
        "does NATS run where --nats-url (NATS_URL) says, and does it let us in?"
    } else {
        return error.into();
    };
    anyhow::Error::from(error).context(hint)
}

/// A place as it is written on the command line.
pub(super) fn place(text: &str) -> Result<From, String> {
    match text {
        "start" => return Ok(From::Start),
        "end" => return Ok(From::End),
        _ => {}
    }
    if let Ok(number) = text.parse() {
        return Ok(From::Sequence(number));
    }
    let time = text.parse().map(From::Time);
    time.map_err(|_| "give start, end, a number, or a time such as 2026-03-01T12:00:00Z".to_owned())
}
