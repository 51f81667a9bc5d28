//! `bench/read-models.sh`: how fast read models are filled from the log, beside `COPY` of the same
//! rows into the same tables in the same run, and beside the replays of other crates; how fresh
//! queries are under load; and that the memory this takes stays flat.
//!
//! - `place` — the log and Postgres, each a process of its own; `bench::history` — what is in the log
//! - `fill` — rebuilds, and `COPY`; `memory` — of this process; `peers` — the other crates
//! - `live` — from the acknowledgement of a command until a query shows it
//! - `report` — the tables, and whether the goals are met

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program talks to its user"
)]
#![allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "rates")]

mod fill;
mod live;
mod memory;
mod peers;
mod place;
mod report;

use std::path::PathBuf;

use clap::Parser;

use crate::fill::Round;
use crate::place::{Place, Shop};
use crate::report::Measured;

/// The same as that of `ticketing`, whose rebuilds these are.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How fast read models are filled, and how fresh queries are.
#[derive(Debug, Parser)]
#[command(max_term_width = 100)]
struct Cli {
    /// Where the logs and Postgres keep their data; what is filled is kept for the next run.
    #[arg(long, default_value = "target/bench-read-models", value_name = "DIRECTORY")]
    directory: PathBuf,
    /// The program that serves the log; without it, the one beside this program.
    #[arg(long, value_name = "FILE")]
    ticketing: Option<PathBuf>,
    /// The lengths of logs that are read, in events; each gives a row of its own.
    #[arg(long, value_delimiter = ',', default_value = "100000,300000,1000000")]
    events: Vec<u64>,
    /// How often each is read.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// The program with the other crates' replays; without it they are left out.
    #[arg(long, value_name = "FILE")]
    peers: Option<PathBuf>,
    /// Seconds of commands for the live measurement; 0 leaves it out.
    #[arg(long, default_value_t = 10)]
    live_seconds: u64,
    /// Commands a second then.
    #[arg(long, default_value_t = 500)]
    commands: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut cli = Cli::parse();
    cli.events.sort_unstable();
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a debug build; for figures that mean something add --release");
    }
    let place = Place::open(&cli.directory, cli.ticketing.as_deref()).await?;
    let mut measured = Measured::default();
    report::head();
    for events in &cli.events {
        let shop = place.shop(*events).await?;
        measured.lengths.extend(rounds(&place, &shop, cli.rounds).await?);
        shop.close().await?;
    }
    for peer in peers::PEERS {
        let Some(program) = &cli.peers else { break };
        measured.peers.push((peer, peers::events_per_second(&place, program, peer).await?));
    }
    if cli.live_seconds > 0 {
        // The longest log stays as long as it is.
        let shop = place.shop(LIVE_EVENTS).await?;
        let live = live::measure(&place, &shop, cli.commands, cli.live_seconds).await?;
        measured.live = Some(live);
        shop.close().await?;
    }
    report::print(&measured);
    place.close().await;
    Ok(())
}

/// What is in the log before the commands of the live measurement.
const LIVE_EVENTS: u64 = 50_000;

async fn rounds(place: &Place, shop: &Shop, count: u32) -> anyhow::Result<Option<Round>> {
    let mut rounds = Vec::new();
    for number in 1..=count {
        let round = fill::round(place, shop).await?;
        report::row(&format!(", round {number}"), &round);
        rounds.push(round);
    }
    let median = Round::median(&rounds);
    if let Some(median) = &median {
        report::row(", median", median);
    }
    Ok(median)
}
