//! The tables, and whether the goals are met.

use bench::figures::short;
use bench::rate::Rate;

use crate::fill::Round;

/// Events a second by rows a second of `COPY`.
const SHARE_OF_COPY_MIN: f64 = 0.5;
const TIMES_THE_PEER_MIN: f64 = 30.0;
/// How much more memory a log of ten times the length may take.
const MEMORY_MAX: f64 = 1.2;
const SEEN_P50_MAX: f64 = 20.0;
const SEEN_P99_MAX: f64 = 50.0;

/// What the rounds came to.
#[derive(Default)]
pub(crate) struct Measured {
    /// By the length of the log, the shortest first.
    pub(crate) lengths: Vec<Round>,
    /// Events a second of the other crates.
    pub(crate) peers: Vec<(&'static str, f64)>,
    pub(crate) live: Option<Rate>,
}

pub(crate) fn head() {
    println!(
        "| events | fill, s | events/s | rows/s | prove, s | COPY, s | rows/s | × COPY: events by rows | \
         rows by rows | µs an event: rebuild + log + Postgres | memory, MiB |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
}

pub(crate) fn row(name: &str, round: &Round) {
    let Round { events, rows, fill, prove, copy, cpu, memory_mib } = *round;
    let [own, log, postgres] = cpu.map(|seconds| short(seconds * 1e6 / events));
    println!(
        "| {}{name} | {fill:.2} | {} | {} | {prove:.2} | {copy:.2} | {} | {:.2} | {:.2} | \
         {own} + {log} + {postgres} | {} |",
        short(events),
        short(round.events_per_second()),
        short(rows / fill),
        short(rows / copy),
        round.share_of_copy(),
        round.share_of_copy_in_rows(),
        short(memory_mib),
    );
}

pub(crate) fn print(Measured { lengths, peers, live }: &Measured) {
    if !peers.is_empty() {
        println!("\n| replay | events/s |\n|---|--:|");
    }
    for (name, rate) in peers {
        println!("| {name} | {} |", short(*rate));
    }
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    if let Some(Rate { per_second, p50, p99 }) = live {
        println!("\n| commands/s | seen in a query, p50 ms | p99 ms |\n|--:|--:|--:|");
        println!("| {} | {} | {} |", short(*per_second), short(ms(*p50)), short(ms(*p99)));
    }
    println!("\n| | goal | measured | |\n|---|--:|--:|---|");
    let (shortest, longest) = (lengths.first(), lengths.last());
    goal(
        "events/s by the rows/s of COPY",
        "≥",
        SHARE_OF_COPY_MIN,
        longest.map(Round::share_of_copy),
    );
    let better = peers.iter().map(|(_, rate)| *rate).reduce(f64::max);
    let times = longest.zip(better).map(|(round, better)| round.events_per_second() / better);
    goal("times the better replay", "≥", TIMES_THE_PEER_MIN, times);
    let memory = shortest.zip(longest).filter(|_| lengths.len() > 1);
    let memory = memory.map(|(shortest, longest)| longest.memory_mib / shortest.memory_mib);
    goal("memory for the longest log, by that for the shortest", "≤", MEMORY_MAX, memory);
    goal("seen in a query, p50 ms", "≤", SEEN_P50_MAX, live.map(|live| ms(live.p50)));
    goal("seen in a query, p99 ms", "≤", SEEN_P99_MAX, live.map(|live| ms(live.p99)));
}

fn goal(name: &str, sign: &str, goal: f64, measured: Option<f64>) {
    let Some(measured) = measured else { return };
    let met = if sign == "≥" { measured >= goal } else { measured <= goal };
    let verdict = if met { "pass" } else { "**miss**" };
    println!("| {name} | {sign} {} | {} | {verdict} |", short(goal), short(measured));
}
