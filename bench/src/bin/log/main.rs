//! `cargo run --release -p bench --bin log`: what the embedded log does on this machine, through
//! gRPC with the official client, beside what the disk can do in the same minute.
//!
//! - `server` — the log as a process of its own: this binary, started again
//! - `bench::disk` — the rate of syncs of the disk itself
//! - `load` — appends; `delivery` — reads and subscriptions
//! - `directory` — stores filled once and copied for each round
//! - `round` — everything that is measured on one store; `results` — all rounds together
//! - `report` — the tables; `goals` — what is asked for, and whether it is met

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::float_arithmetic,
    reason = "a benchmark prints rates"
)]

mod delivery;
mod directory;
mod goals;
mod load;
mod report;
mod results;
mod round;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Args, Parser, Subcommand};

use crate::directory::Stores;
use crate::results::Results;

/// That of `ticketing`, so that what is measured is what is run.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How fast the embedded log is on this machine.
///
/// Client and server share the machine's cores. Every round measures every store once, so that what
/// else the machine does falls on all of them.
#[derive(Debug, Parser)]
#[command(max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What the benchmark starts for itself: serve a log until standard input ends.
    #[command(hide = true)]
    Serve { directory: PathBuf },
}

#[derive(Args, Clone, Debug)]
struct Settings {
    /// How often everything is measured; the tables show the median and the spread. With 0 the stores
    /// are filled and nothing is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100))]
    rounds: u32,
    /// How long each single measurement takes.
    #[arg(long, default_value_t = 2, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The sizes of the stores to measure, in events.
    #[arg(long, default_value = "0,100000,1000000", value_delimiter = ',', value_name = "EVENTS")]
    events: Vec<u64>,
    /// Measure a store of ten million events as well; filling it takes some minutes and 4 GB.
    #[arg(long)]
    ten_million: bool,
    /// Where to keep the stores meanwhile; the disk under it is what is measured.
    #[arg(long, default_value = "target/bench", value_name = "DIRECTORY")]
    directory: PathBuf,
    /// Leave the filled stores there for the next run, which then need not fill them.
    #[arg(long)]
    keep: bool,
}

impl Settings {
    fn sizes(&self) -> Vec<u64> {
        let mut sizes = self.events.clone();
        sizes.extend(self.ten_million.then_some(10_000_000));
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    fn measurement(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Serve { directory }) => server::serve(directory).await,
        None => measure(&cli.settings).await,
    }
}

async fn measure(settings: &Settings) -> anyhow::Result<()> {
    let sizes = settings.sizes();
    ensure!(!sizes.is_empty(), "no store to measure: name one with --events");
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a debug build; for figures that mean something add --release");
    }
    std::fs::create_dir_all(&settings.directory)
        .with_context(|| format!("cannot use {}", settings.directory.display()))?;
    let folder = tempfile::tempdir_in(&settings.directory)?;
    let stores = Stores::fill(folder.path(), &settings.directory, &sizes).await?;
    let mut results = Results::default();
    for number in 1..=settings.rounds {
        for &size in &sizes {
            eprintln!("bench: round {number} of {}, {size} events", settings.rounds);
            let round = round::measure(&stores, size, settings.measurement()).await;
            results.add(size, round.with_context(|| format!("round {number}, {size} events"))?);
        }
    }
    if settings.rounds > 0 {
        report::print(&results);
        goals::print(&results);
    }
    if !settings.keep {
        stores.remove()?;
    }
    Ok(())
}
