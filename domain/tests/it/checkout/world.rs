//! All there is at one moment.

use std::sync::Arc;

use domain::id::{AccountId, OrderId, PaymentId, RefundId, TicketId};
use domain::money::{Currency, Money};
use domain::order::OrderPlaced;
use domain::payment::PaymentInitiated;
use domain::text::{Quantity, Title};
use domain::ticket::TicketCommand;
use domain::{Order, Payment, Ticket, Timestamp};
use uuid::Uuid;

use super::process::Hand;

/// What the log says, what is really so, and what each process has in mind. Most of it stays the
/// same from one state to the next, hence the `Arc`s.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// The time to pay is over.
    pub(crate) late: bool,
    pub(crate) ticket: Arc<Ticket>,
    pub(crate) baskets: Vec<Basket>,
    pub(crate) attempts: Vec<Attempt>,
}

/// What one person wants to buy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Basket {
    /// The request has reserved; it does so once, for its command has an id.
    pub(crate) reserved: bool,
    pub(crate) order: Arc<Order>,
    /// Somebody has seen the order cancelled or expired, and may release its units any time later.
    pub(crate) seen_over: bool,
}

/// One attempt to pay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Attempt {
    /// The order has accepted it; the request goes on to the intent, now, late, or never.
    pub(crate) started: bool,
    pub(crate) payment: Arc<Payment>,
    pub(crate) provider: Provider,
    /// The bank wanted to see the buyer once; word of it may still be on its way.
    pub(crate) bank_asked: bool,
    pub(crate) refunded: bool,
    /// What each worker of this payment's process is about to do.
    pub(crate) hands: Vec<Hand>,
}

/// The payment at the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Provider {
    #[default]
    Unasked,
    BankAsks,
    Declined,
    Voided,
    Captured,
}

pub(crate) fn early() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// When the orders expire, and any time after.
pub(crate) fn over() -> Timestamp {
    Timestamp::from_timestamp(900, 0).unwrap()
}

pub(crate) fn seller() -> AccountId {
    AccountId(Uuid::from_u128(1))
}

pub(crate) fn buyer(basket: usize) -> AccountId {
    AccountId(Uuid::from_u128(100 + basket as u128))
}

pub(crate) fn order_id(basket: usize) -> OrderId {
    OrderId(Uuid::from_u128(200 + basket as u128))
}

pub(crate) fn payment_id(attempt: usize) -> PaymentId {
    PaymentId(Uuid::from_u128(300 + attempt as u128))
}

pub(crate) fn refund_id(attempt: usize) -> RefundId {
    RefundId(Uuid::from_u128(400 + attempt as u128))
}

/// Under which units come back that were sold to an order that is over.
pub(crate) fn order_over_id(basket: usize) -> RefundId {
    RefundId(Uuid::from_u128(500 + basket as u128))
}

pub(crate) fn price() -> Money {
    Money { minor: 2000, currency: Currency::USD }
}

fn title() -> Title {
    Title::parse("Concert").unwrap()
}

pub(crate) fn list(units: u32) -> TicketCommand {
    TicketCommand::List {
        seller: seller(),
        title: title(),
        price: price(),
        quantity: Quantity::new(units).unwrap(),
        max_per_order: Quantity::ONE,
    }
}

pub(crate) fn reserve(basket: usize) -> TicketCommand {
    TicketCommand::Reserve {
        order: order_id(basket),
        buyer: buyer(basket),
        quantity: Quantity::ONE,
        expires_at: over(),
    }
}

pub(crate) fn terms(basket: usize) -> OrderPlaced {
    OrderPlaced {
        buyer: buyer(basket),
        ticket: TicketId(Uuid::nil()),
        title: title(),
        quantity: Quantity::ONE,
        unit_price: price(),
        total: price(),
        expires_at: over(),
    }
}

pub(crate) fn intent(basket: usize, attempt: usize) -> PaymentInitiated {
    PaymentInitiated {
        order: order_id(basket),
        buyer: buyer(basket),
        amount: price(),
        source: String::new(),
        provider_key: payment_id(attempt).to_string(),
    }
}
