//! The table at the end.

use super::books::Books;
use super::tally::Tally;

pub(crate) fn print(tally: &Tally, books: &Books, requests: u64) {
    let ended = |status| books.ended.get(status).copied().unwrap_or_default();
    println!();
    println!("what the people saw");
    row("requests, with repetitions", requests);
    row("offered, units", tally.offered.get());
    row("reserved, orders", tally.reserved.get());
    row("paid", tally.paid.get());
    row("declined by the bank", tally.declined.get());
    row("refunded by the seller", tally.refunded.get());
    row("refunded at the provider", tally.refunded_elsewhere.get());
    row("disputed", tally.disputed.get());
    row("cancelled", tally.cancelled.get());
    row("left to expire", tally.abandoned.get());
    row("refused (sold out, too late)", tally.refused.get());
    println!("how these orders ended, in the log");
    row("complete", ended("complete"));
    row("expired", ended("expired"));
    row("refunded, or about to be", ended("refunded") + ended("refunding"));
    row("cancelled", ended("cancelled"));
    println!("the books, everything since the data began");
    row("oversold, units", books.oversold);
    row("events in the log", books.events);
    row("  of these public", books.public_events);
    row("messages in JetStream", books.messages);
    row("tickets in the log", books.tickets);
    row("  rows in Postgres", books.ticket_rows);
    row("orders in the log", books.orders);
    row("  rows in Postgres", books.order_rows);
    row("payments captured in the log", books.captured);
    match books.charged {
        Some(charged) => row("  taken by the sandbox", charged),
        None => row("  taken by Stripe", "see its dashboard"),
    }
    row("movements in the ledger", books.ledger_entries);
    for (kind, hit) in &books.faults {
        row(&format!("trouble at the sandbox, {kind}"), hit);
    }
    for disagreement in &books.disagreements {
        println!("DISAGREES: {disagreement}");
    }
    println!("{}", if books.agree() { "everything agrees" } else { "the books DISAGREE" });
}

fn row(what: &str, value: impl std::fmt::Display) {
    println!("  {what:<38} {value:>10}");
}
