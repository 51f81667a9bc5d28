//! The tables, in Markdown.

use bench::figures::short;

use crate::peers::PEERS;
use crate::place::HISTORIES;
use crate::results::{Results, Spread, key};
use crate::round::{CLIENTS, LIMITS, MANY, SHOP, edit};

pub(crate) fn print(results: &Results) {
    println!("\nMedian of {} rounds (least–most).", results.rounds());
    limits(results);
    for (load, title) in loads() {
        println!("\n### {title}\n");
        println!("| | clients | commands/s | p50 ms | p99 ms |");
        println!("|---|--:|--:|--:|--:|");
        let subjects = [SHOP].into_iter().chain(PEERS.map(|peer| peer.name));
        for subject in subjects {
            for clients in CLIENTS {
                row(results, subject, &load, clients);
            }
        }
    }
    println!("\n### The shop's first command to each ticket, and a whole sale\n");
    println!("| | clients | commands/s | p50 ms | p99 ms |");
    println!("|---|--:|--:|--:|--:|");
    let first = HISTORIES.map(|histories| format!("first {}", edit(histories.events)));
    for load in first.iter().map(String::as_str).chain(["sell-out"]) {
        if let Some(rate) = results.spread(&key(SHOP, load, MANY, "per second")) {
            let millis = |what| spread(results.spread(&key(SHOP, load, MANY, what)));
            let (p50, p99) = (millis("p50 ms"), millis("p99 ms"));
            println!("| {load} | {MANY} | {} | {p50} | {p99} |", spread(Some(rate)));
        }
    }
    costs(results);
}

/// Every load that the peers share, and what it is.
fn loads() -> Vec<(String, String)> {
    let edits = HISTORIES.map(|histories| {
        let (events, tickets) = (histories.events, histories.tickets);
        (edit(events), format!("Edits of {tickets} tickets with {events} events of history"))
    });
    let mut loads = vec![("list".to_owned(), "New tickets".to_owned())];
    loads.extend(edits);
    loads.push(("hot".to_owned(), "One ticket of 100,000 units, ordered by everybody".to_owned()));
    loads
}

fn limits(results: &Results) {
    println!("\n### This machine\n");
    println!("| | at once | per second | p50 ms | p99 ms |");
    println!("|---|--:|--:|--:|--:|");
    row(results, LIMITS, "fdatasync", 1);
    row(results, LIMITS, "BatchAppend", MANY);
    for clients in CLIENTS {
        row(results, LIMITS, "a bare axum handler", clients);
    }
}

fn row(results: &Results, subject: &str, load: &str, clients: u64) {
    let of = |what| results.spread(&key(subject, load, clients, what));
    let Some(rate) = of("per second") else { return };
    let name = if subject == LIMITS { load } else { subject };
    let (p50, p99) = (spread(of("p50 ms")), spread(of("p99 ms")));
    println!("| {name} | {clients} | {} | {p50} | {p99} |", spread(Some(rate)));
}

/// Processor time and memory.
fn costs(results: &Results) {
    println!("\n### What a command costs, with {MANY} clients\n");
    println!("| | shop, µs | log, µs | clients, µs | shop, MiB | log, MiB |");
    println!("|---|--:|--:|--:|--:|--:|");
    let loads = loads().into_iter().map(|(load, _)| load).chain(["sell-out".to_owned()]);
    for load in loads {
        let of = |what| results.spread(&key(SHOP, &load, MANY, what));
        if of("shop µs").is_none() {
            continue;
        }
        let cells = ["shop µs", "log µs", "client µs", "shop MiB", "log MiB"];
        let cells = cells.map(|what| spread(of(what))).join(" | ");
        println!("| {load} | {cells} |");
    }
}

fn spread(spread: Option<Spread>) -> String {
    match spread {
        Some(Spread { median, min, max }) => {
            format!("{} ({}–{})", short(median), short(min), short(max))
        }
        None => String::new(),
    }
}
