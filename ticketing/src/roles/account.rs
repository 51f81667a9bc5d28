//! `ticketing account …`: what an operator does for a person.

mod erase;

use anyhow::Context;
use clap::{Args, Subcommand};
use eventlog::{EventLog, Vault};

use crate::config::{self, SecretsAt};
use crate::data_directory;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Forget a person for ever: destroy the key that the person's data is sealed under.
    Erase(erase::Settings),
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Erase(settings) => erase::run(settings).await,
    }
}

/// Where the log and the keys are: as told, else those of a running `ticketing up`.
#[derive(Args, Clone, Debug)]
struct Parts {
    /// The event log: kurrentdb://host:2113?tls=false. Without it, that of a running `ticketing up`.
    #[arg(long, env = "KURRENTDB_URL", value_name = "URL", hide_env_values = true)]
    log_url: Option<String>,
    /// The Postgres database: postgres://user:password@host/name. Without it, that of a running
    /// `ticketing up`.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    #[command(flatten)]
    secrets: SecretsAt,
}

impl Parts {
    fn open(&self) -> anyhow::Result<(EventLog, Vault)> {
        let data = self.secrets.data();
        let running = data_directory::running(data);
        let missing = |what: &str, option: &str, variable: &str| {
            format!(
                "where is {what}? Nothing runs in {}: start `ticketing up`, or give {option} or \
                 set {variable}",
                data.display()
            )
        };
        let log = self.log_url.clone().or_else(|| running.as_ref().map(|it| it.log.clone()));
        let log = log.with_context(|| missing("the event log", "--log-url", "KURRENTDB_URL"))?;
        let database = self.database_url.clone().or_else(|| running.map(|it| it.database));
        let database =
            database.with_context(|| missing("Postgres", "--database-url", "DATABASE_URL"))?;
        let vault = Vault::new(config::open_database(&database)?, self.secrets.read()?.vault);
        Ok((config::open_log(&log)?, vault))
    }
}
