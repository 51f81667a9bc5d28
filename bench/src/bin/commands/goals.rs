//! What is asked of the shop, and whether these rounds met it.

use bench::figures::short;

use crate::peers::PEERS;
use crate::results::{Results, key};
use crate::round::{CLIENTS, LIMITS, MANY, SHOP};

/// Of the better peer's rate, at [`MANY`] clients, by load.
const TIMES_THE_PEER: [(&str, f64); 3] = [("edit-10", 3.0), ("edit-1000", 30.0), ("hot", 100.0)];
/// Reserve and place, each to an aggregate of its own; of the peers only the first is asked.
const COMMANDS_PER_ORDER: f64 = 2.0;
/// How much longer a command may take with a hundred times the history.
const FLAT_MAX: f64 = 1.2;
const SHARE_OF_APPENDS_MIN: f64 = 0.25;
/// How far the slowest orders of a hot ticket may be from the middle.
const TAIL_MAX: f64 = 5.0;

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

pub(crate) fn print(results: &Results) {
    println!("\n### Goals\n");
    println!("| | goal | measured | |");
    println!("|---|--:|--:|---|");
    let rate = |subject: &str, load: &str| results.median(&key(subject, load, MANY, "per second"));
    for snapshots in [false, true] {
        for (load, least) in TIMES_THE_PEER {
            let peers = PEERS.iter().filter(|peer| snapshots || !peer.snapshots);
            let rates = peers.filter_map(|peer| Some((rate(peer.name, load)?, peer.name)));
            let Some((best, name)) = rates.max_by(|a, b| a.0.total_cmp(&b.0)) else { continue };
            let with = if snapshots { "snapshots allowed" } else { "no snapshots" };
            let what = format!("{load}, times the better peer ({with}: {name})");
            let own = rate(SHOP, load);
            row(&what, Bound::AtLeast(least), own.map(|own| own / best));
            if load == "hot" {
                let what = format!("{what}, counting both commands of an order");
                row(&what, Bound::AtLeast(least), own.map(|own| COMMANDS_PER_ORDER * own / best));
            }
        }
    }
    let cost = |load: &str, what: &str| results.median(&key(SHOP, load, MANY, what));
    let both = |what: &str| Some(cost("edit-1000", what)? / cost("edit-10", what)?);
    row("p50 of an edit, 1,000 events by 10 events", Bound::AtMost(FLAT_MAX), both("p50 ms"));
    row("shop's µs an edit, 1,000 by 10", Bound::AtMost(FLAT_MAX), both("shop µs"));
    for load in ["list", "edit-10", "edit-1000", "hot"] {
        let share = rate(SHOP, load).zip(rate(LIMITS, "BatchAppend"));
        let share = share.map(|(own, appends)| own / appends);
        let what = format!("{load}, share of the log's BatchAppend rate");
        row(&what, Bound::AtLeast(SHARE_OF_APPENDS_MIN), share);
        if load == "hot" {
            // Each of them is an append of its own.
            let what = format!("{what}, counting both commands of an order");
            let both = share.map(|share| COMMANDS_PER_ORDER * share);
            row(&what, Bound::AtLeast(SHARE_OF_APPENDS_MIN), both);
        }
    }
    for (load, clients) in
        CLIENTS.map(|clients| ("hot", clients)).into_iter().chain([("sell-out", MANY)])
    {
        let of = |what| results.median(&key(SHOP, load, clients, what));
        let tail = of("p99 ms").zip(of("p50 ms")).map(|(p99, p50)| p99 / p50);
        row(&format!("{load}, {clients} clients, p99 by p50"), Bound::AtMost(TAIL_MAX), tail);
        let most = results.spread(&key(SHOP, load, clients, "oversold")).map(|spread| spread.max);
        row(&format!("{load}, {clients} clients, units oversold"), Bound::AtMost(0.0), most);
    }
}

fn row(name: &str, bound: Bound, measured: Option<f64>) {
    let Some(measured) = measured else { return };
    let (goal, met) = match bound {
        Bound::AtLeast(least) => (format!("≥ {}", short(least)), measured >= least),
        Bound::AtMost(most) => (format!("≤ {}", short(most)), measured <= most),
    };
    let verdict = if met { "pass" } else { "**miss**" };
    println!("| {name} | {goal} | {} | {verdict} |", short(measured));
}
