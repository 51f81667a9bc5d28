//! `ticketing ledger`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use projectors::ledger::Report;

use crate::{config, data_directory};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Add up every movement of money and compare each with the log.
    ///
    /// Names the first entry that is off; exit code 1 then, 0 when all is well. Selling may go on
    /// meanwhile: the ledger is checked as far as it has followed the log.
    Check(Settings),
}

#[derive(Args, Debug)]
pub(crate) struct Settings {
    /// The event log, if not the one of the `ticketing up` on --data.
    #[arg(long, env = "KURRENTDB_URL", value_name = "URL", hide_env_values = true)]
    log_url: Option<String>,
    /// The Postgres database, if not the one of the `ticketing up` on --data.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// The directory of the running `ticketing up`.
    #[arg(long, env = "TICKETING_DATA", default_value = ".ticketing", value_name = "DIRECTORY")]
    data: PathBuf,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Check(settings) = command;
    let (log_url, database_url) = addresses(&settings)?;
    let (log, pool) = (config::open_log(&log_url)?, config::open_database(&database_url)?);
    let report = projectors::ledger::check(&log, &pool).await?;
    if settings.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(if report.off.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn addresses(settings: &Settings) -> anyhow::Result<(String, String)> {
    if let (Some(log), Some(database)) = (&settings.log_url, &settings.database_url) {
        return Ok((log.clone(), database.clone()));
    }
    let running = data_directory::running(&settings.data).with_context(|| {
        format!(
            "no `ticketing up` runs on {}; name its directory with --data, or the log and Postgres \
             with --log-url and --database-url",
            settings.data.display()
        )
    })?;
    let log = settings.log_url.clone().unwrap_or(running.log);
    Ok((log, settings.database_url.clone().unwrap_or(running.database)))
}

fn print(report: &Report) {
    println!("{} movements of money; balances in minor units", report.entries);
    for (account, currencies) in &report.balances {
        for (currency, balance) in currencies {
            println!("  {account:<16} {currency}  {balance:>20}");
        }
    }
    for (currency, sum) in &report.sums {
        println!("  {:<16} {currency}  {sum:>20}", "sum");
    }
    match &report.off {
        None => println!("it adds up, and is what the log says"),
        Some(off) => println!("OFF: {off}"),
    }
}
