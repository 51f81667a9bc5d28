//! Whether what the shop said it sold is what the log says it sold.

use anyhow::{Context, ensure};
use domain::Ticket;
use domain::id::TicketId;
use eventlog::{EventLog, Settings};

/// What the log knows of a ticket's sale.
pub(crate) struct Sold {
    pub(crate) quantity: u32,
    pub(crate) held: u32,
    pub(crate) orders: u64,
}

impl Sold {
    /// Reads the whole stream of a ticket anew.
    pub(crate) async fn read(log_url: &str, ticket: TicketId) -> anyhow::Result<Self> {
        let log = open(log_url)?;
        let ticket = log.load::<Ticket>(&ticket).await?.state;
        let listing = ticket.listing().context("the ticket is not in the log")?;
        // Each hold counted again: `held` is the very number that is to be checked.
        let held = listing.holds.values().map(|hold| hold.units).sum();
        let orders = listing.holds.len() as u64;
        Ok(Self { quantity: listing.quantity.get(), held, orders })
    }

    /// Units sold that there are not.
    pub(crate) fn oversold(&self) -> u32 {
        self.held.saturating_sub(self.quantity)
    }

    /// Every order that was confirmed is there, and no other.
    pub(crate) fn check(&self, confirmed: u64) -> anyhow::Result<()> {
        let orders = self.orders;
        ensure!(orders == confirmed, "{confirmed} orders were confirmed, the log has {orders}");
        Ok(())
    }
}

pub(crate) fn open(log_url: &str) -> anyhow::Result<EventLog> {
    let connection_string = log_url.to_owned();
    Ok(EventLog::new(Settings { connection_string, build: "bench".to_owned() })?)
}
