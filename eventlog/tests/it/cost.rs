//! What a command costs, printed: `cargo test --release -p eventlog cost -- --ignored --nocapture`.

#![allow(clippy::print_stdout, reason = "the figures are what this is for")]

use std::time::{Duration, Instant};

use domain::Ticket;
use domain::id::TicketId;
use domain::money::{Currency, Money};
use domain::text::Title;
use domain::ticket::TicketCommand;
use embedded_log::testing::TestLog;
use eventlog::EventLog;
use futures::StreamExt;
use futures::stream;

use crate::support::{cause, listed, new_order, process, reserve, seller};

const CLIENTS: usize = 64;

/// Runs commands, so many at a time, and prints how many went through in a second.
async fn timed<F: Future<Output = ()>>(what: &str, commands: u32, command: impl Fn(u32) -> F) {
    let began = Instant::now();
    let mut took: Vec<Duration> = stream::iter(0..commands)
        .map(|n| {
            let command = command(n);
            async move {
                let began = Instant::now();
                command.await;
                began.elapsed()
            }
        })
        .buffer_unordered(CLIENTS)
        .collect()
        .await;
    let second = Duration::from_secs(1).as_micros();
    let rate = u128::from(commands) * second / began.elapsed().as_micros();
    took.sort();
    let (p50, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    println!("{what:<45} {rate:>7}/s  p50 {p50:>9.1?}  p99 {p99:>9.1?}");
}

async fn reserve_units(log: &EventLog, ticket: &TicketId, what: &str, units: u32) {
    timed(what, units, async |_| {
        log.execute::<Ticket>(ticket, reserve(new_order()), &cause()).await.unwrap();
    })
    .await;
}

async fn edit_all(log: &EventLog, tickets: &[TicketId], what: &str, edits: u32) {
    timed(what, edits, async |n| {
        let title = Title::parse(&format!("Row {n}")).unwrap();
        let price = Money { minor: i64::from(n) + 1, currency: Currency::USD };
        let edit = TicketCommand::Edit { by: seller(), title, price };
        let ticket = &tickets[n as usize % tickets.len()];
        log.execute::<Ticket>(ticket, edit, &cause()).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures, promises nothing"]
async fn one_hot_ticket_and_edits_of_many() {
    let server = TestLog::start().await;
    let log = process(&server);
    let hot = listed(&log, 100_000).await;
    reserve_units(&log, &hot, "warming up", 5_000).await;
    reserve_units(&log, &hot, "hot ticket, 5,000 holds before", 20_000).await;
    reserve_units(&log, &hot, "on to 80,000", 55_000).await;
    reserve_units(&log, &hot, "hot ticket, 80,000 holds before", 20_000).await;

    let mut many = Vec::new();
    for _ in 0..100 {
        many.push(listed(&log, 5).await);
    }
    edit_all(&log, &many, "on to 10 events each", 1_000).await;
    edit_all(&log, &many, "edits, 10 events of history", 20_000).await;
    edit_all(&log, &many, "on to 1,000 events each", 80_000).await;
    edit_all(&log, &many, "edits, 1,000 events of history", 20_000).await;
}
