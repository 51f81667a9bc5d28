//! Where the log, Postgres and NATS are, for those who look after the relay.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use relay::desk::Desk;
use relay::{Partition, STREAM};

use super::Login;
use crate::config;
use crate::data_directory::{self, Running};

/// Without an address, that of the `ticketing up` that runs in the data directory.
#[derive(Args, Clone, Debug)]
pub(super) struct Places {
    /// The event log: kurrentdb://host:2113?tls=false. Without it, that of the `ticketing up` that
    /// runs in the data directory; likewise the others.
    #[arg(long, env = "KURRENTDB_URL", value_name = "URL", hide_env_values = true)]
    log_url: Option<String>,
    /// The Postgres database: postgres://user:password@host/name.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// NATS: nats://host:4222.
    #[arg(long, env = "NATS_URL", value_name = "URL", hide_env_values = true)]
    nats_url: Option<String>,
    #[command(flatten)]
    login: Login,
    /// Where `ticketing up` keeps its data.
    #[arg(long, env = "TICKETING_DATA", default_value = ".ticketing", value_name = "DIRECTORY")]
    data: PathBuf,
    /// Only this stream, such as TICKETING-4-0.
    #[arg(long, value_name = "STREAM")]
    stream: Option<String>,
}

impl Places {
    pub(super) fn open(&self) -> anyhow::Result<Desk> {
        let running = data_directory::running(&self.data);
        let place = |given: &Option<String>, of: fn(&Running) -> String, what: &str| {
            given.clone().or_else(|| running.as_ref().map(of)).with_context(|| {
                format!(
                    "{what}? Nothing runs in {}: give it, or start `ticketing up`",
                    self.data.display()
                )
            })
        };
        let log = place(&self.log_url, |it| it.log.clone(), "which log (--log-url)")?;
        let database =
            place(&self.database_url, |it| it.database.clone(), "which database (--database-url)")?;
        let nats = place(&self.nats_url, |it| it.nats_relay.clone(), "which NATS (--nats-url)")?;
        Ok(Desk {
            log: config::open_log(&log)?,
            pool: config::open_database(&database)?,
            nats: self.login.at(&nats)?,
        })
    }

    /// The streams that are meant: all, or the one that was named.
    pub(super) async fn partitions(&self, desk: &Desk) -> anyhow::Result<Vec<Partition>> {
        let mut layout = desk.layout(STREAM).await.context("the streams' partitions")?;
        if layout.is_empty() {
            layout.push(1);
        }
        let all = layout.iter().flat_map(|of| Partition::all(STREAM, *of));
        let Some(name) = &self.stream else { return Ok(all.collect()) };
        let names: Vec<String> = all.clone().map(|partition| partition.stream()).collect();
        let one: Vec<Partition> = all.filter(|partition| partition.stream() == *name).collect();
        anyhow::ensure!(!one.is_empty(), "no stream {name}; there are {}", names.join(", "));
        Ok(one)
    }
}
