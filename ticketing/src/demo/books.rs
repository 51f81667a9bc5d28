//! The books: what the log, Postgres, JetStream, the ledger and the payment provider each hold, and
//! whether they agree. Everything in the log is looked at, also what was there before this demo.

mod history;
mod money;
mod promises;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use domain::order::Status;
use indicatif::{ProgressBar, ProgressStyle};
use sqlx::PgPool;
use uuid::Uuid;

use super::bank::Bank;
use super::tally::Tally;
use crate::config;
use crate::data_directory;
use history::History;

/// Open orders end with their hold; everything that follows the log should soon have it all. The
/// shop may be killed and started again meanwhile.
const SETTLE_WITHIN: Duration = Duration::from_secs(90);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What each part holds, and what does not fit.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) events: u64,
    pub(crate) public_events: u64,
    pub(crate) messages: u64,
    pub(crate) ticket_rows: usize,
    pub(crate) order_rows: usize,
    pub(crate) tickets: usize,
    pub(crate) orders: usize,
    pub(crate) captured: usize,
    /// None when real Stripe took the payments: its books are elsewhere.
    pub(crate) charged: Option<usize>,
    pub(crate) ledger_entries: u64,
    /// What the sandbox was asked to do wrong, by kind.
    pub(crate) faults: BTreeMap<String, u64>,
    /// Units sold or reserved beyond what there was, at the worst moment of each ticket.
    pub(crate) oversold: u64,
    /// How the demo's own orders ended.
    pub(crate) ended: BTreeMap<&'static str, u64>,
    pub(crate) disagreements: Vec<String>,
}

impl Books {
    pub(crate) fn agree(&self) -> bool {
        self.disagreements.is_empty()
    }
}

/// Waits until the demo's orders have ended and everything has followed, then gives the books.
/// When that does not come about in time, they are given as they are, with what disagrees.
pub(crate) async fn settle(data: &Path, bank: &Bank, tally: &Tally) -> anyhow::Result<Books> {
    let bar = ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{prefix:>16} {spinner} {msg}")?)
        .with_prefix("settling");
    bar.enable_steady_tick(Duration::from_millis(100));
    let started = Instant::now();
    loop {
        let books = look(data, bank, tally).await;
        let in_time = started.elapsed() < SETTLE_WITHIN;
        match books {
            Ok(books) if books.agree() || !in_time => {
                bar.finish_and_clear();
                return Ok(books);
            }
            Ok(books) => bar.set_message(books.disagreements.join("; ")),
            Err(error) if in_time => bar.set_message(format!("{error:#}")),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Asked anew each time where everything is: a restart may have moved it.
async fn look(data: &Path, bank: &Bank, tally: &Tally) -> anyhow::Result<Books> {
    let running = data_directory::running(data).context("`ticketing up` does not run")?;
    let log = config::open_log(&running.log)?;
    let history = History::read(&log).await?;
    let mut books = Books {
        events: history.events,
        public_events: history.public_events,
        tickets: history.tickets.len(),
        orders: history.orders.len(),
        oversold: history.oversold,
        ..Books::default()
    };
    if books.oversold > 0 {
        books.disagreements.push(format!("{} units oversold", books.oversold));
    }
    check_orders(&history, tally, &mut books);
    let pool = config::open_database(&running.database)?;
    check_rows(&history, &pool, &mut books).await?;
    check_messages(&running.nats, &mut books).await?;
    let payments = bank.payments().await?;
    let ledger = projectors::ledger::check(&log, &pool).await?;
    money::check(&history, payments.as_deref(), &ledger, &mut books);
    promises::check(&history, payments.as_deref(), &mut books);
    books.faults = bank.faults().await?;
    Ok(books)
}

/// Each order has its units exactly if it should, and the demo's own have all come to an end.
fn check_orders(history: &History, tally: &Tally, books: &mut Books) {
    let mine = tally.orders().clone();
    let mut open = 0;
    for (id, (order, _)) in &history.orders {
        let (Some(terms), Some(status)) = (order.terms(), order.status()) else { continue };
        if mine.contains(id) {
            *books.ended.entry(status.as_str()).or_default() += 1;
        }
        let hold = history
            .tickets
            .get(&terms.ticket)
            .and_then(|(ticket, _)| ticket.listing())
            .and_then(|listing| listing.holds.get(id));
        let fits = match status {
            Status::Created | Status::AwaitingPayment { .. } => {
                open += u32::from(mine.contains(id));
                hold.is_some()
            }
            Status::Complete { .. } | Status::Refunding { .. } => {
                hold.is_some_and(|hold| hold.sold && hold.units == terms.quantity.get())
            }
            // What was sold to it and taken back leaves a hold of nothing.
            Status::Cancelled | Status::Expired => hold.is_none_or(|hold| hold.units == 0),
            Status::Refunded { .. } => true,
        };
        if !fits {
            books
                .disagreements
                .push(format!("order {id} is {} but its units are not so", status.as_str()));
        }
    }
    let missing = mine.iter().filter(|id| !history.orders.contains_key(id)).count();
    if missing > 0 {
        books.disagreements.push(format!("{missing} accepted orders are not in the log"));
    }
    if open > 0 {
        books.disagreements.push(format!("{open} orders are still open"));
    }
}

/// Every row of the read models is what the log says.
async fn check_rows(history: &History, pool: &PgPool, books: &mut Books) -> anyhow::Result<()> {
    let rows: Vec<(Uuid, i64, i32)> =
        sqlx::query_as("SELECT id, version, available FROM read.tickets").fetch_all(pool).await?;
    books.ticket_rows = rows.len();
    let stored: BTreeSet<_> = rows.into_iter().collect();
    let mut folded = BTreeSet::new();
    for (id, (ticket, version)) in &history.tickets {
        folded.insert((id.0, i64::try_from(*version)?, i32::try_from(ticket.available())?));
    }
    let different = stored.symmetric_difference(&folded).count();
    if different > 0 {
        books.disagreements.push(format!("{different} ticket rows differ from the log"));
    }

    let rows: Vec<(Uuid, i64, String)> =
        sqlx::query_as("SELECT id, version, status FROM read.orders").fetch_all(pool).await?;
    books.order_rows = rows.len();
    let stored: BTreeSet<_> = rows.into_iter().collect();
    let mut folded = BTreeSet::new();
    for (id, (order, version)) in &history.orders {
        let status = order.status().map_or("", Status::as_str).to_owned();
        folded.insert((id.0, i64::try_from(*version)?, status));
    }
    let different = stored.symmetric_difference(&folded).count();
    if different > 0 {
        books.disagreements.push(format!("{different} order rows differ from the log"));
    }
    Ok(())
}

async fn check_messages(nats: &str, books: &mut Books) -> anyhow::Result<()> {
    books.messages = relay::stream_summary(&relay::Nats::at(nats), relay::STREAM).await?.messages;
    if books.messages != books.public_events {
        books.disagreements.push(format!(
            "{} messages in JetStream, {} public events in the log",
            books.messages, books.public_events
        ));
    }
    Ok(())
}
