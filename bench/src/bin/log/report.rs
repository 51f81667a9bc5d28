//! The tables, as Markdown.

use bench::figures::{grouped, short};

use crate::load::Call;
use crate::results::{Metric, Results, Spread};
use crate::round::{CALLS, IN_FLIGHT};

/// A table for each store.
pub(crate) fn print(results: &Results) {
    for size in results.sizes() {
        println!("\n### A store that begins with {} events\n", grouped(size as f64));
        rates(results, size);
        println!();
        others(results, size);
    }
}

fn rates(results: &Results, size: u64) {
    println!(
        "| | per second | p50 ms | p99 ms | × disk syncs | × store alone | µs of CPU: server + client |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    let cell = |metric| results.spread(size, metric).map_or_else(String::new, spread);
    let median = |metric| results.median(size, metric).map_or_else(String::new, short);
    let both = |server, client| {
        let parts = results.median(size, server).zip(results.median(size, client));
        let shown = parts.map(|(server, client)| format!("{} + {}", short(server), short(client)));
        shown.unwrap_or_default()
    };
    let (syncs, sync_p50) = (cell(Metric::SyncsPerSecond), median(Metric::SyncP50Millis));
    println!("| the disk: 4 KiB and fdatasync | {syncs} | {sync_p50} | | | | |");
    for call in [Call::Bare].into_iter().chain(CALLS) {
        for in_flight in IN_FLIGHT {
            println!(
                "| {call}, {in_flight} in flight | {} | {} | {} | {} | {} | {} |",
                cell(Metric::AppendsPerSecond(call, in_flight)),
                median(Metric::AppendP50Millis(call, in_flight)),
                median(Metric::AppendP99Millis(call, in_flight)),
                median(Metric::AppendsPerSync(call, in_flight)),
                median(Metric::ShareOfStore(call, in_flight)),
                both(Metric::ServerMicros(call, in_flight), Metric::ClientMicros(call, in_flight)),
            );
        }
    }
    println!(
        "| `$all`, catching up | {} | | | | | {} |",
        cell(Metric::CatchUpEventsPerSecond),
        both(Metric::CatchUpServerMicros, Metric::CatchUpClientMicros)
    );
    println!(
        "| append → live subscriber | | {} | {} | | | |",
        median(Metric::DeliveryP50Millis),
        median(Metric::DeliveryP99Millis)
    );
}

fn others(results: &Results, size: u64) {
    println!("| | median (min–max) |");
    println!("|---|--:|");
    for (name, metric) in [
        ("delivered after the acknowledgement, ms", Metric::DeliveryOverAppendMillis),
        ("1,000 subscribers catching up, events a second of all", Metric::CrowdEventsPerSecond),
        ("appends a second beside them, 16 in flight", Metric::CrowdAppendsPerSecond),
        ("most memory of the server, MiB", Metric::MemoryPeakMib),
        ("on disk for an event of 300 bytes, bytes", Metric::BytesPerEvent),
        ("start after a clean end, ms", Metric::StartMillis),
        ("start after kill -9 under load, ms", Metric::StartAfterKillMillis),
    ] {
        if let Some(values) = results.spread(size, metric) {
            println!("| {name} | {} |", spread(values));
        }
    }
}

/// The median and, unless all rounds had the same, what lies around it.
fn spread(Spread { median, min, max }: Spread) -> String {
    if min == max {
        return short(median);
    }
    format!("{} ({}–{})", short(median), short(min), short(max))
}
