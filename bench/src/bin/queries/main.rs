//! `bench/queries.sh`: how many lists of tickets a second GraphQL answers, beside a bare handler with
//! the same single `SELECT`, and beside `PostGraphile`, all on the same database in the same run.
//!
//! - `place` — a Postgres with tickets, made once
//! - `subjects` — what is asked: ours, the bare handler, the peer; `bare` — the bare handler
//! - `load` — the clients
//! - `report` — the table, and whether the goals are met

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::float_arithmetic,
    reason = "a benchmark prints rates"
)]

mod bare;
mod load;
mod place;
mod report;
mod subjects;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::place::Place;
use crate::report::Measured;

/// Clients at once.
const CLIENTS: usize = 64;

/// How many lists of 20 tickets with a filter GraphQL answers a second.
///
/// Clients, server and Postgres share the machine's cores. Each round measures everything once, so
/// that what else the machine does falls on all of them.
#[derive(Debug, Parser)]
#[command(max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many rounds to measure.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How long each single measurement takes.
    #[arg(long, default_value_t = 4, value_name = "SECONDS")]
    seconds: u64,
    /// Where to keep the database.
    #[arg(long, default_value = "target/bench-queries", value_name = "DIRECTORY")]
    directory: PathBuf,
    /// The program to measure; else the one that was built together with this one.
    #[arg(long, value_name = "FILE")]
    ticketing: Option<PathBuf>,
    /// The program of the peer, `postgraphile`; without it there is no peer.
    #[arg(long, value_name = "FILE")]
    postgraphile: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What the benchmark starts for itself: the bare handler.
    #[command(hide = true)]
    Bare {
        database_url: String,
        /// Use connections without ever testing them.
        #[arg(long)]
        untested: bool,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Some(Command::Bare { database_url, untested }) = cli.command {
        return bare::serve(&database_url, !untested).await;
    }
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a debug build; for figures that mean something add --release");
    }
    let beside = std::env::current_exe()?.with_file_name("ticketing");
    let ticketing = cli.ticketing.unwrap_or(beside);
    let place = Place::open(&cli.directory, &ticketing).await?;
    let subjects = subjects::start(&place, &ticketing, cli.postgraphile.as_deref()).await?;
    let mut measured = Measured::default();
    for number in 1..=cli.rounds {
        eprintln!("bench: round {number} of {}", cli.rounds);
        for subject in &subjects {
            let seconds = Duration::from_secs(cli.seconds);
            let before = subject.process.cpu()?;
            let rate = load::run(subject.address, &subject.requests, CLIENTS, seconds).await?;
            let cpu = subject.process.cpu()? - before;
            measured.add(subject.name, rate, cpu, seconds);
        }
    }
    report::print(&measured);
    for subject in subjects {
        subject.process.stop().await?;
    }
    place.close().await
}
