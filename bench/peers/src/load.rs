//! So many clients in this process, each with one command at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use uuid::Uuid;

use crate::shop::{Shop, Tried};
use crate::ticket::{TicketCommand, TicketEvent};

/// The first part of a measurement is not counted.
const WARM_UP_SHARE: u32 = 4;
const SELLER: Uuid = Uuid::from_u128(1);
const HOT_UNITS: u32 = 100_000;
const HOLD_SECONDS: i64 = 900;

/// What the clients ask for.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// New tickets.
    List,
    /// Edits, each client of tickets of its own.
    Edit { tickets: u64, history: u64 },
    /// Units of one ticket, by all clients.
    Hot,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Of each command that succeeded, its tries included.
    pub times: Vec<Duration>,
    pub conflicts: u64,
    pub within: Duration,
}

/// The id of a ticket with a history of that length.
pub fn ticket_id(history: u64, number: u64) -> Uuid {
    Uuid::from_u64_pair(history, number)
}

/// A ticket that was listed and then edited until it has so many events.
pub fn history(ticket_id: Uuid, events: u64) -> Vec<TicketEvent> {
    let price = |at: u64| i64::try_from(at).unwrap_or(i64::MAX) + 1;
    let listed = TicketEvent::TicketListed {
        ticket_id,
        seller: SELLER,
        title: title(),
        price_minor: 1,
        currency: currency(),
        quantity: 1,
        max_per_order: 10,
    };
    let edited = (1..events).map(|at| TicketEvent::TicketEdited {
        ticket_id,
        title: title(),
        price_minor: price(at),
        currency: currency(),
    });
    std::iter::once(listed).chain(edited).collect()
}

pub async fn run<S: Shop>(
    shop: &S,
    load: Load,
    clients: u64,
    time: Duration,
) -> anyhow::Result<Outcome> {
    let hot = Uuid::new_v4();
    if let Load::Hot = load {
        shop.execute(hot, list(HOT_UNITS)).await?;
    }
    // Above all prices of the histories and of other runs.
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let first_price = i64::try_from(since.as_millis())?;
    let begin = Instant::now() + time / WARM_UP_SHARE;
    let end = begin + time;
    let conflicts = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..clients)
        .map(|client| {
            let worker = Worker { shop: shop.clone(), load, client, clients, hot, first_price };
            tokio::spawn(worker.work(begin, end, Arc::clone(&conflicts)))
        })
        .collect();
    let mut outcome = Outcome { within: time, ..Outcome::default() };
    for client in clients {
        outcome.times.extend(client.await.context("a client panicked")??);
    }
    outcome.times.sort_unstable();
    outcome.conflicts = conflicts.load(Ordering::Relaxed);
    Ok(outcome)
}

struct Worker<S> {
    shop: S,
    load: Load,
    client: u64,
    clients: u64,
    hot: Uuid,
    first_price: i64,
}

impl<S: Shop> Worker<S> {
    async fn work(
        self,
        begin: Instant,
        end: Instant,
        conflicts: Arc<AtomicU64>,
    ) -> anyhow::Result<Vec<Duration>> {
        let mut times = Vec::new();
        for turn in 0.. {
            let (ticket, command) = self.next(turn);
            let started = Instant::now();
            while started < end {
                match self.shop.execute(ticket, command.clone()).await? {
                    Tried::Done => break,
                    Tried::Conflict => conflicts.fetch_add(1, Ordering::Relaxed),
                };
                if Instant::now() >= end {
                    return Ok(times);
                }
            }
            let ended = Instant::now();
            if ended >= end {
                break;
            }
            if ended >= begin {
                times.push(ended - started);
            }
        }
        Ok(times)
    }

    fn next(&self, turn: u64) -> (Uuid, TicketCommand) {
        match self.load {
            Load::List => (Uuid::new_v4(), list(1)),
            Load::Edit { tickets, history } => {
                let own = (tickets / self.clients).max(1);
                let number = self.client + self.clients * (turn % own);
                // Never the price that the ticket has: that would be no change.
                let turn = i64::try_from(turn).unwrap_or(i64::MAX);
                (ticket_id(history, number), edit(self.first_price + turn))
            }
            Load::Hot => {
                let command = TicketCommand::Reserve {
                    order: Uuid::new_v4(),
                    buyer: Uuid::from_u64_pair(2, self.client),
                    quantity: 1,
                    expires_at: HOLD_SECONDS,
                };
                (self.hot, command)
            }
        }
    }
}

fn list(quantity: u32) -> TicketCommand {
    TicketCommand::List {
        seller: SELLER,
        title: title(),
        price_minor: 1,
        currency: currency(),
        quantity,
        max_per_order: 10,
    }
}

fn edit(price_minor: i64) -> TicketCommand {
    TicketCommand::Edit { by: SELLER, title: title(), price_minor, currency: currency() }
}

fn title() -> String {
    "Concert in the park".to_owned()
}

fn currency() -> String {
    "usd".to_owned()
}
