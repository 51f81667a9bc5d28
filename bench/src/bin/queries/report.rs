//! The table, and whether the goals are met.

use std::collections::BTreeMap;
use std::time::Duration;

use bench::figures::short;
use bench::rate::Rate;

use crate::subjects::{BARE, BARE_UNTESTED, OURS, OURS_VARIED, PEER};

/// Of the bare handler's rate.
const SHARE_OF_BARE_MIN: f64 = 0.6;
const TIMES_THE_PEER_MIN: f64 = 4.0;
const TAIL_MAX: f64 = 5.0;

/// By subject, round after round: a second, p50 and p99 in ms, µs of processor time of its own.
#[derive(Default)]
pub(crate) struct Measured(BTreeMap<&'static str, Vec<[f64; 4]>>);

impl Measured {
    pub(crate) fn add(&mut self, name: &'static str, rate: Rate, cpu: Duration, time: Duration) {
        // The warm-up is in the processor time too, so its share of a second is what counts.
        let with_warm_up = time.as_secs_f64() * 1.25;
        let per_request = cpu.as_secs_f64() * 1e6 / (rate.per_second * with_warm_up);
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let numbers =
            [rate.per_second, milliseconds(rate.p50), milliseconds(rate.p99), per_request];
        self.0.entry(name).or_default().push(numbers);
    }

    /// Median, least and most.
    fn spread(&self, name: &str, index: usize) -> Option<[f64; 3]> {
        let mut values: Vec<f64> = self.0.get(name)?.iter().map(|it| it[index]).collect();
        values.sort_unstable_by(f64::total_cmp);
        Some([values[values.len() / 2], *values.first()?, *values.last()?])
    }
}

pub(crate) fn print(measured: &Measured) {
    println!("| | a second (median, min–max) | p50 ms | p99 ms | own µs each |");
    println!("|---|--:|--:|--:|--:|");
    for name in [BARE, BARE_UNTESTED, OURS, OURS_VARIED, PEER] {
        let numbers = [0, 1, 2, 3].map(|index| measured.spread(name, index));
        let [Some([rate, min, max]), Some([p50, ..]), Some([p99, ..]), Some([cpu, ..])] = numbers
        else {
            continue;
        };
        let (rate, min, max) = (short(rate), short(min), short(max));
        let (p50, p99, cpu) = (short(p50), short(p99), short(cpu));
        println!("| {name} | {rate} ({min}–{max}) | {p50} | {p99} | {cpu} |");
    }
    println!("\n| | goal | measured | |\n|---|--:|--:|---|");
    let rate = |name| measured.spread(name, 0).map(|[median, ..]| median);
    let ratio = |ours, other| Some(rate(ours)? / rate(other)?);
    row("share of the bare handler's rate", "≥", SHARE_OF_BARE_MIN, ratio(OURS, BARE));
    row("the same, no list twice", "≥", SHARE_OF_BARE_MIN, ratio(OURS_VARIED, BARE));
    row("times PostGraphile's rate", "≥", TIMES_THE_PEER_MIN, ratio(OURS, PEER));
    row("the same, no list twice", "≥", TIMES_THE_PEER_MIN, ratio(OURS_VARIED, PEER));
    let tail = measured.spread(OURS, 2).zip(measured.spread(OURS, 1));
    row("p99 by p50", "≤", TAIL_MAX, tail.map(|([p99, ..], [p50, ..])| p99 / p50));
}

fn row(name: &str, sign: &str, goal: f64, measured: Option<f64>) {
    let Some(measured) = measured else { return };
    let met = if sign == "≥" { measured >= goal } else { measured <= goal };
    let verdict = if met { "pass" } else { "**miss**" };
    println!("| {name} | {sign} {} | {} | {verdict} |", short(goal), short(measured));
}
