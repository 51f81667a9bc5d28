//! `ticketing process-managers list|retry|skip|rebuild`

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use clap::builder::PossibleValuesParser;
use process_managers::desk::{Desk, Entry, PROCESSES, Which};
use uuid::Uuid;

use crate::config;
use crate::data_directory;

/// Where the to-do lists are.
#[derive(Args, Debug)]
struct Lists {
    /// The Postgres database: postgres://user:password@host/name. Without it, that of the
    /// `ticketing up` that runs in the data directory.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Where `ticketing up` keeps its data.
    #[arg(long, env = "TICKETING_DATA", default_value = ".ticketing", value_name = "DIRECTORY")]
    data: PathBuf,
}

impl Lists {
    fn open(&self) -> anyhow::Result<Desk> {
        let running = || data_directory::running(&self.data).map(|running| running.database);
        let url = self.database_url.clone().or_else(running).with_context(|| {
            format!(
                "which database? Nothing runs in {}: give --database-url (or DATABASE_URL), or \
                 start `ticketing up`",
                self.data.display()
            )
        })?;
        Ok(Desk::new(config::open_database(&url)?))
    }
}

#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    lists: Lists,
    /// Also show what waits for its time or is being done.
    #[arg(long)]
    all: bool,
    /// Show so many at most.
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    limit: u32,
    /// One JSON object a line, with the task itself.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[group(id = "which", required = true, multiple = true, args = ["key", "every"])]
pub(crate) struct Parked {
    #[command(flatten)]
    lists: Lists,
    /// The task's key, as `list` shows it.
    #[arg(conflicts_with = "every")]
    key: Option<Uuid>,
    /// All that are parked.
    #[arg(long)]
    every: bool,
    /// Only of this process manager.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PROCESSES))]
    process: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Rebuild {
    #[command(flatten)]
    lists: Lists,
    /// Only these process managers.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(PROCESSES))]
    processes: Vec<String>,
}

pub(crate) async fn list(settings: List) -> anyhow::Result<()> {
    let desk = settings.lists.open()?;
    let entries = desk.list(settings.all, settings.limit).await.context(NOT_READ)?;
    if settings.json {
        for entry in &entries {
            println!("{}", serde_json::to_string(entry)?);
        }
        return Ok(());
    }
    if entries.is_empty() {
        println!("{}", if settings.all { "nothing is to be done" } else { "nothing is parked" });
        return Ok(());
    }
    entries.iter().for_each(show);
    if !settings.all {
        println!("\ntry again:  ticketing process-managers retry KEY, or --every");
        println!("give up:    ticketing process-managers skip KEY");
    }
    Ok(())
}

pub(crate) async fn retry(settings: Parked) -> anyhow::Result<()> {
    let desk = settings.lists.open()?;
    let retried = desk.retry(&settings.which()).await.context(NOT_CHANGED)?;
    settings.told("is tried again", &retried)
}

pub(crate) async fn skip(settings: Parked) -> anyhow::Result<()> {
    let desk = settings.lists.open()?;
    let skipped = desk.skip(&settings.which()).await.context(NOT_CHANGED)?;
    settings.told("is given up", &skipped)
}

pub(crate) async fn rebuild(settings: Rebuild) -> anyhow::Result<()> {
    let desk = settings.lists.open()?;
    for process in PROCESSES {
        let meant = |name: &String| name == process;
        if settings.processes.is_empty() || settings.processes.iter().any(meant) {
            desk.rebuild(process).await.context(NOT_CHANGED)?;
            println!("{process}: the list is made anew from the log");
        }
    }
    Ok(())
}

const NOT_READ: &str = "cannot read the to-do lists";
const NOT_CHANGED: &str = "cannot change the to-do lists";

impl Parked {
    fn which(&self) -> Which {
        Which { key: self.key, process: self.process.clone() }
    }

    fn told(&self, what: &str, entries: &[Entry]) -> anyhow::Result<()> {
        for entry in entries {
            println!("{} {} {what}", entry.process, entry.key);
        }
        match self.key {
            Some(key) if entries.is_empty() => anyhow::bail!("no task {key} is parked"),
            None if entries.is_empty() => println!("nothing is parked"),
            Some(_) | None => {}
        }
        Ok(())
    }
}

fn show(entry: &Entry) {
    let state = match entry.parked_at {
        Some(since) => format!("parked {}", since.format("%Y-%m-%d %H:%M:%SZ")),
        None => format!("due    {}", entry.due.format("%Y-%m-%d %H:%M:%SZ")),
    };
    let Entry { process, key, attempts, .. } = entry;
    println!("{process:<16} {key}  {state}  attempts {attempts}");
    if let Some(error) = &entry.last_error {
        println!("    {error}");
    }
}
