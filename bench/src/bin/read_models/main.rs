//! How fast read models are filled from the log, beside `COPY` of the same rows into the same tables
//! in the same run; how fresh they are under load; and that the memory this takes stays flat.
//!
//! - `place` — the log and Postgres, each a process of its own
//! - `bench::history` — what the log is filled with
//! - `fill` — rebuilds, and `COPY`
//! - `live` — from the acknowledgement of a command until readers see it

#![allow(clippy::print_stdout, reason = "a command-line program talks to its user")]
#![allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "rates")]

mod fill;
mod live;
mod place;

use std::path::PathBuf;

use bench::figures::short;
use clap::Parser;

use crate::fill::Round;
use crate::live::Live;
use crate::place::Place;

#[derive(Debug, Parser)]
struct Cli {
    /// Where the log and Postgres keep their data; kept for the next run.
    #[arg(long, default_value = "target/bench-read-models")]
    directory: PathBuf,
    /// The program that serves the log; without it, the one beside this program.
    #[arg(long)]
    ticketing: Option<PathBuf>,
    /// How many events the log is filled with.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of commands for the live measurement; 0 leaves it out.
    #[arg(long, default_value_t = 10)]
    live_seconds: u64,
    /// Commands a second then.
    #[arg(long, default_value_t = 500)]
    commands: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let place = Place::open(&cli.directory, cli.events, cli.ticketing.as_deref()).await?;
    println!(
        "| round | fill, s | events/s | rows/s | prove, s | COPY, s | rows/s | × COPY | memory, MiB |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let mut rounds = Vec::new();
    for number in 1..=cli.rounds {
        let round = fill::round(&place).await?;
        print(&number.to_string(), &round);
        rounds.push(round);
    }
    if let Some(median) = Round::median(&rounds) {
        print("median", &median);
    }
    if cli.live_seconds > 0 {
        let Live { seen, p50, p99, max } =
            live::measure(&place, cli.commands, cli.live_seconds).await?;
        println!(
            "\nacknowledged → seen, {seen} commands at {}/s: p50 {p50:.2} ms, p99 {p99:.2} ms, \
             longest {max:.2} ms",
            cli.commands
        );
    }
    place.close().await
}

fn print(name: &str, round: &Round) {
    let Round { events, rows, fill, prove, copy, memory_mib } = *round;
    println!(
        "| {name} | {fill:.2} | {} | {} | {prove:.2} | {copy:.2} | {} | {:.2} | {} |",
        short(events as f64 / fill),
        short(rows as f64 / fill),
        short(rows as f64 / copy),
        copy / fill,
        short(memory_mib),
    );
}
