//! `cargo run --release -p bench --bin relay`: the relay beside a program that publishes the same
//! messages in the same batches and does nothing else, in the same run.
//!
//! - `place` — the log, Postgres, NATS and the relay, each a process of its own
//! - `bare` — the bare publisher
//! - `turn` — what a turn of either comes to
//! - `idle` — from the log to a consumer when nothing else happens
//! - `bench::history` — what the log is filled with

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "a benchmark prints rates"
)]

mod bare;
mod idle;
mod place;
mod turn;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bench::figures::short;
use clap::Parser;

use place::Place;
use turn::Turn;

/// How fast the relay is on this machine.
///
/// Log, Postgres, NATS and relay share its cores. NATS syncs each batch before it acknowledges it.
#[derive(Debug, Parser)]
#[command(max_term_width = 100)]
struct Settings {
    /// How often relay and bare publisher take turns.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How many messages each publishes in a turn.
    #[arg(long, default_value_t = 60_000)]
    messages: u64,
    /// How many events the log is filled with; the last turn publishes all that are public.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// How many single events are timed from the log to a consumer.
    #[arg(long, default_value_t = 300)]
    singles: u32,
    /// Where to keep everything; the disk under it is what is measured.
    #[arg(long, default_value = "target/bench-relay", value_name = "DIRECTORY")]
    directory: PathBuf,
    /// Only fill the log.
    #[arg(long)]
    fill: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::parse();
    let place = Place::open(&settings.directory, settings.events).await?;
    if settings.fill {
        return Ok(());
    }
    let outcome = measure(&settings, &place).await;
    place.close().await;
    outcome
}

async fn measure(settings: &Settings, place: &Place) -> anyhow::Result<()> {
    let (mut ratios, mut rates, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    println!(
        "| round | bare publisher, messages/s | relay, messages/s | ratio |\n|---|--:|--:|--:|"
    );
    for round in 1..=settings.rounds {
        let relay = relayed(place, settings.messages).await?;
        let bare = bare::publish(place, settings.messages).await?;
        let (fast, faster) = (relay.rate(), bare.rate());
        println!("| {round} | {} | {} | {:.2} |", short(faster), short(fast), fast / faster);
        ratios.push(fast / faster);
        rates.push(fast);
        costs.push(format!("| {round}, bare publisher | {} |", bare.processor()));
        costs.push(format!("| {round}, relay | {} |", relay.processor()));
    }
    println!("| median | | {} | {:.2} |\n", short(median(&mut rates)), median(&mut ratios));
    println!("| µs of processor time a message | publisher | log | NATS | Postgres |");
    println!("|---|--:|--:|--:|--:|\n{}\n", costs.join("\n"));
    catch_up(place).await?;
    let relay = place.relay()?;
    let latencies = idle::measure(place, settings.singles).await?;
    relay.end().await?;
    println!("{latencies}");
    Ok(())
}

/// The first so many messages of a stream that is filled from the beginning.
async fn relayed(place: &Place, messages: u64) -> anyhow::Result<Turn> {
    place.rewind().await?;
    let relay = place.relay()?;
    let first = place.until_published(1).await?;
    let (begun, before, own_before) = (Instant::now(), place.used()?, relay.used()?);
    let last = place.until_published(messages).await?;
    let turn = Turn {
        messages: last - first,
        took: begun.elapsed(),
        publisher: relay.used()?.saturating_sub(own_before),
        others: place.used()?.since(before),
    };
    relay.end().await?;
    Ok(turn)
}

/// Everything that is public, with a look at the memory of the relay.
async fn catch_up(place: &Place) -> anyhow::Result<()> {
    let public = place.public().await?;
    ensure!(public > 0, "the log is empty");
    place.rewind().await?;
    let begun = Instant::now();
    let relay = place.relay()?;
    println!(
        "| caught up | messages/s | relay's memory, MiB | at most so far |\n|--:|--:|--:|--:|"
    );
    for tenth in [1, 2, 5, 10] {
        let count = place.until_published(public * tenth / 10).await?;
        let (now, most) = relay.memory_mib()?;
        let rate = count as f64 / begun.elapsed().as_secs_f64();
        println!("| {count} | {} | {} | {} |", short(rate), short(now), short(most));
    }
    println!("\n{public} events in {:.1} s\n", begun.elapsed().as_secs_f64());
    relay.end().await
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// How often is looked what the stream holds; each look costs NATS a little.
const LOOK_EVERY: Duration = Duration::from_millis(20);
