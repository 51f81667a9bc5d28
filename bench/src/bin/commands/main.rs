//! `bench/commands.sh`: how many commands a second the shop takes over HTTP, beside what other crates
//! for event sourcing do with the same rules in process, and beside the limits of this machine.
//!
//! - `place` — what is made once and used by every run: people, histories, databases
//! - `round` — everything that is measured, once; `results` — all rounds together
//! - `shop` — the log and `ticketing command-api`, each a process of its own
//! - `load` — the clients; `plan` — what they ask for
//! - `peers` — the other crates, a program of its own (`bench/peers`)
//! - `limits` — what this machine and the log can do at most
//! - `sale` — whether what was sold is what the log says
//! - `report` — the tables; `goals` — what is asked for, and whether it is met

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::float_arithmetic,
    reason = "a benchmark prints rates"
)]

mod goals;
mod limits;
mod load;
mod peers;
mod place;
mod plan;
mod report;
mod results;
mod round;
mod sale;
mod shop;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Args, Parser, Subcommand};

use crate::place::Place;
use crate::results::Results;

/// How many commands a second the shop takes.
///
/// Clients, shop, log and Postgres share the machine's cores. Each round measures everything once, so
/// that what else the machine does falls on all of them.
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
    /// Only make what every run needs: people, histories, databases.
    Prepare,
    /// Only print the tables of the rounds measured so far.
    Report,
    /// What the benchmark starts for itself: an HTTP server that does nothing, until standard input
    /// ends.
    #[command(hide = true)]
    Idle,
}

#[derive(Args, Clone, Debug)]
struct Settings {
    /// How many rounds to measure; they are added to those in the directory.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long each single measurement takes.
    #[arg(long, default_value_t = 2, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Forget the rounds measured before.
    #[arg(long)]
    afresh: bool,
    /// Measure only the shop.
    #[arg(long, conflicts_with = "only_peers")]
    no_peers: bool,
    /// Measure only the peers.
    #[arg(long)]
    only_peers: bool,
    /// Measure only these: list, edit-10, edit-1000 (both: edit), hot, sell-out.
    #[arg(long, default_value = "", value_name = "LOAD")]
    load: String,
    /// Where to keep stores, databases and results; the disk under it is what is measured.
    #[arg(long, default_value = "target/bench-commands", value_name = "DIRECTORY")]
    directory: PathBuf,
    /// The program to measure; else the one that was built together with this one.
    #[arg(long, value_name = "FILE")]
    ticketing: Option<PathBuf>,
    /// The program of the peers, built from bench/peers.
    #[arg(long, default_value = "target/peers/release/peers", value_name = "FILE")]
    peers: PathBuf,
}

impl Settings {
    fn measurement(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn wants(&self, load: &str) -> bool {
        let rest = load.strip_prefix(self.load.as_str());
        rest.is_some_and(|rest| self.load.is_empty() || rest.is_empty() || rest.starts_with('-'))
    }

    fn ticketing(&self) -> anyhow::Result<PathBuf> {
        let beside = || Ok(std::env::current_exe()?.with_file_name("ticketing"));
        let program = self.ticketing.clone().map_or_else(beside, anyhow::Ok)?;
        ensure!(program.exists(), "{} is missing: build it, or name it", program.display());
        Ok(program)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { command, settings } = Cli::parse();
    if matches!(command, Some(Command::Idle)) {
        return limits::serve_nothing().await;
    }
    std::fs::create_dir_all(&settings.directory)
        .with_context(|| format!("cannot use {}", settings.directory.display()))?;
    let results = settings.directory.join("results.jsonl");
    if settings.afresh && results.exists() {
        std::fs::remove_file(&results)?;
    }
    if matches!(command, Some(Command::Report)) {
        return report(&Results::read(&results)?);
    }
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a debug build; for figures that mean something add --release");
    }
    let place = Place::open(&settings).await?;
    if command.is_none() {
        for number in 1..=settings.rounds {
            eprintln!("bench: round {number} of {}", settings.rounds);
            let round = round::measure(&place, &settings).await;
            Results::add(&results, &round.with_context(|| format!("round {number}"))?)?;
        }
        report(&Results::read(&results)?)?;
    }
    place.close().await;
    Ok(())
}

fn report(results: &Results) -> anyhow::Result<()> {
    ensure!(!results.is_empty(), "nothing has been measured yet");
    report::print(results);
    goals::print(results);
    Ok(())
}
