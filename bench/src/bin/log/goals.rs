//! What is asked of the log, and whether this run met it.

use crate::load::Call::{Batch, Single};
use crate::results::Metric::{
    AppendP50Millis, AppendsPerSecond, BytesPerEvent, CatchUpEventsPerSecond,
    DeliveryOverAppendMillis, MemoryPeakMib, StartAfterKillMillis, StartMillis, SyncP50Millis,
};
use crate::results::{Metric, Results};

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// Each is judged on the median of each store.
const GOALS: [(&str, Metric, Bound); 8] = [
    ("BatchAppend, 64 in flight, per second", AppendsPerSecond(Batch, 64), Bound::AtLeast(4e4)),
    ("BatchAppend, 256 in flight, per second", AppendsPerSecond(Batch, 256), Bound::AtLeast(4.5e4)),
    ("Append, 64 in flight, per second", AppendsPerSecond(Single, 64), Bound::AtLeast(1.7e4)),
    ("Append, 1 in flight, p50 ms", AppendP50Millis(Single, 1), Bound::AtMost(0.5)),
    ("`$all`, catching up, events per second", CatchUpEventsPerSecond, Bound::AtLeast(3e5)),
    ("delivered after the acknowledgement, ms", DeliveryOverAppendMillis, Bound::AtMost(1.0)),
    ("most memory of the server, MiB", MemoryPeakMib, Bound::AtMost(300.0)),
    ("on disk for an event of 300 bytes, bytes", BytesPerEvent, Bound::AtMost(400.0)),
];

/// One append alone may take so much longer than a sync of the disk.
const ALONE_SYNCS_MAX: f64 = 1.5;
const ALONE_MILLIS_MAX: f64 = 0.4;
/// The rate of appends in the largest store, of that in the smallest of at least so many events.
const FALL_FROM_EVENTS: u64 = 100_000;
const KEPT_SHARE_MIN: f64 = 0.8;
/// So much longer may a start on the largest store take than on that.
const START_MILLIS_MORE_MAX: f64 = 300.0;

pub(crate) fn print(results: &Results) {
    println!("\n### Goals\n");
    println!("| | goal | store | measured | |");
    println!("|---|--:|--:|--:|---|");
    for (name, metric, bound) in GOALS {
        for size in results.sizes() {
            row(name, bound, &size.to_string(), results.median(size, metric));
        }
    }
    for size in results.sizes() {
        let sync = results.median(size, SyncP50Millis).unwrap_or_default();
        let most = ALONE_SYNCS_MAX * sync + ALONE_MILLIS_MAX;
        for call in [Batch, Single] {
            let name = format!("{call}, 1 in flight, beside {sync:.2} ms for a sync, p50 ms");
            let median = results.median(size, AppendP50Millis(call, 1));
            row(&name, Bound::AtMost(most), &size.to_string(), median);
        }
    }
    kept(results);
}

/// How much of the rate is left in the largest store.
fn kept(results: &Results) {
    let sizes = results.sizes();
    let first = sizes.iter().find(|size| **size >= FALL_FROM_EVENTS);
    let (Some(&first), Some(&last)) = (first, sizes.last()) else { return };
    if first == last {
        return;
    }
    for (call, in_flight) in [(Batch, 64), (Batch, 256), (Single, 64)] {
        let rate = |size| results.median(size, AppendsPerSecond(call, in_flight));
        let kept = rate(first).zip(rate(last)).map(|(first, last)| last / first);
        let name = format!("{call}, {in_flight} in flight, share of the rate kept");
        row(&name, Bound::AtLeast(KEPT_SHARE_MIN), &format!("{first} → {last}"), kept);
    }
    for (name, metric) in [("a clean end", StartMillis), ("kill -9", StartAfterKillMillis)] {
        let millis = |size| results.median(size, metric);
        let more = millis(first).zip(millis(last)).map(|(first, last)| last - first);
        let name = format!("start after {name}, ms more");
        row(&name, Bound::AtMost(START_MILLIS_MORE_MAX), &format!("{first} → {last}"), more);
    }
}

fn row(name: &str, bound: Bound, store: &str, measured: Option<f64>) {
    let Some(measured) = measured else { return };
    let (goal, met) = match bound {
        Bound::AtLeast(least) => (format!("≥ {}", brief(least)), measured >= least),
        Bound::AtMost(most) => (format!("≤ {}", brief(most)), measured <= most),
    };
    let verdict = if met { "pass" } else { "**miss**" };
    println!("| {name} | {goal} | {store} | {} | {verdict} |", brief(measured));
}

fn brief(number: f64) -> String {
    if number.abs() >= 100.0 { format!("{number:.0}") } else { format!("{number:.2}") }
}
