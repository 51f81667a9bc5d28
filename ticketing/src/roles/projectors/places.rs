//! Where the log and the read models are, for an operator.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use eventlog::EventLog;
use sqlx::PgPool;

use crate::{config, data_directory};

#[derive(Args, Clone, Debug)]
pub(super) struct Places {
    /// The event log, if not the one of the `ticketing up` on --data.
    #[arg(long, env = "KURRENTDB_URL", value_name = "URL", hide_env_values = true)]
    log_url: Option<String>,
    /// The Postgres database, if not the one of the `ticketing up` on --data.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// The directory of the running `ticketing up`.
    #[arg(long, env = "TICKETING_DATA", default_value = ".ticketing", value_name = "DIRECTORY")]
    data: PathBuf,
}

impl Places {
    pub(super) fn open(&self) -> anyhow::Result<(EventLog, PgPool)> {
        let (log, database) = self.addresses()?;
        Ok((config::open_log(&log)?, config::open_database(&database)?))
    }

    fn addresses(&self) -> anyhow::Result<(String, String)> {
        if let (Some(log), Some(database)) = (&self.log_url, &self.database_url) {
            return Ok((log.clone(), database.clone()));
        }
        let running = data_directory::running(&self.data).with_context(|| {
            format!(
                "no `ticketing up` runs on {}; name its directory with --data, or the log and \
                 Postgres with --log-url and --database-url",
                self.data.display()
            )
        })?;
        let log = self.log_url.clone().unwrap_or(running.log);
        Ok((log, self.database_url.clone().unwrap_or(running.database)))
    }
}
