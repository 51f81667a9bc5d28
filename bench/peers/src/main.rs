//! Other event-sourcing crates under the load of the benchmarks of commands and of read models, in
//! process and without HTTP. The benchmarks (`bench/src/bin/commands/`, `bench/src/bin/read_models/`)
//! start this program and read what it prints.
//!
//! - `ticket` — the rules, the same for both crates
//! - `with_cqrs_es`, `with_disintegrate` — load, decide, append, as each crate offers it
//! - `replay` — the read model that both fill from their events
//! - `shop` — what the load asks of both
//! - `load` — the clients

mod load;
mod replay;
mod shop;
mod ticket;
mod with_cqrs_es;
mod with_disintegrate;

use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::load::Load;
use crate::shop::Shop;
use crate::with_cqrs_es::WithCqrsEs;
use crate::with_disintegrate::WithDisintegrate;

/// Events in one insert while a database is filled.
const FILL_EVENTS: u64 = 20_000;

#[derive(Debug, Parser)]
struct Cli {
    /// The crate to measure.
    #[arg(long)]
    peer: Peer,
    /// Whether the crate keeps snapshots.
    #[arg(long)]
    snapshots: bool,
    /// A database of Postgres that only this peer uses.
    #[arg(long)]
    database_url: String,
    /// Connections to it.
    #[arg(long, default_value_t = 16)]
    connections: u32,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Peer {
    CqrsEs,
    Disintegrate,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Make the tables.
    Install,
    /// Write histories.
    Fill {
        #[arg(long)]
        tickets: u64,
        #[arg(long)]
        history: u64,
    },
    /// Fill a read model from all the events, and print in how many seconds as a line of JSON.
    Replay,
    /// Run a load and print what came of it as a line of JSON.
    Measure {
        #[arg(long)]
        load: Kind,
        /// Of edits: how many tickets there are, and the length of their histories.
        #[arg(long, default_value_t = 0)]
        tickets: u64,
        #[arg(long, default_value_t = 0)]
        history: u64,
        #[arg(long)]
        clients: u64,
        #[arg(long)]
        seconds: f64,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    List,
    Edit,
    Hot,
}

#[derive(Serialize)]
struct Replayed {
    seconds: f64,
}

#[derive(Serialize)]
struct Measured {
    per_second: f64,
    p50_micros: u128,
    p99_micros: u128,
    conflicts: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.peer {
        Peer::CqrsEs => {
            let shop = WithCqrsEs::connect(&cli.database_url, cli.connections, cli.snapshots);
            run(shop.await?, cli.command).await
        }
        Peer::Disintegrate => {
            let shop = WithDisintegrate::connect(&cli.database_url, cli.connections, cli.snapshots);
            run(shop.await?, cli.command).await
        }
    }
}

async fn run<S: Shop>(shop: S, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Install => shop.install().await,
        Command::Fill { tickets, history } => fill(&shop, tickets, history).await,
        Command::Replay => {
            let begun = Instant::now();
            shop.replay().await?;
            let replayed = Replayed { seconds: begun.elapsed().as_secs_f64() };
            println!("{}", serde_json::to_string(&replayed)?);
            Ok(())
        }
        Command::Measure { load, tickets, history, clients, seconds } => {
            let load = match load {
                Kind::List => Load::List,
                Kind::Edit => Load::Edit { tickets, history },
                Kind::Hot => Load::Hot,
            };
            let outcome = load::run(&shop, load, clients, Duration::from_secs_f64(seconds)).await?;
            let at = |percent: usize| {
                let time = outcome.times.get(outcome.times.len() * percent / 100).copied();
                time.unwrap_or_default().as_micros()
            };
            let measured = Measured {
                per_second: outcome.times.len() as f64 / outcome.within.as_secs_f64(),
                p50_micros: at(50),
                p99_micros: at(99),
                conflicts: outcome.conflicts,
            };
            println!("{}", serde_json::to_string(&measured)?);
            Ok(())
        }
    }
}

async fn fill<S: Shop>(shop: &S, tickets: u64, history: u64) -> anyhow::Result<()> {
    let at_once = (FILL_EVENTS / history.max(1)).max(1);
    let mut next = 0;
    while next < tickets {
        let numbers = next..(next + at_once).min(tickets);
        next = numbers.end;
        let histories = numbers.map(|number| {
            let id = load::ticket_id(history, number);
            (id, load::history(id, history))
        });
        shop.fill(histories.collect()).await?;
    }
    Ok(())
}
