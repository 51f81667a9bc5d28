//! What is stored of a ticket's life.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::{Event, Upcaster};
use crate::id::{AccountId, OrderId, RefundId};
use crate::money::Money;
use crate::text::{Quantity, Title};

/// The events of `ticket-<id>`. Each accepted command gives just one, so that the revision of the
/// stream is the ticket's version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum TicketEvent {
    TicketListed(TicketListed),
    TicketEdited(TicketEdited),
    TicketQuantityChanged(TicketQuantityChanged),
    TicketWithdrawn(TicketWithdrawn),
    TicketReserved(TicketReserved),
    TicketReleased(TicketReleased),
    TicketSold(TicketSold),
    TicketReturned(TicketReturned),
}

impl Event for TicketEvent {
    const UPCASTERS: &'static [Upcaster] = &[];
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TicketListed {
    pub seller: AccountId,
    pub title: Title,
    pub price: Money,
    pub quantity: Quantity,
    pub max_per_order: Quantity,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TicketEdited {
    pub title: Title,
    pub price: Money,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TicketQuantityChanged {
    pub quantity: Quantity,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TicketWithdrawn {
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TicketReserved {
    pub order: OrderId,
    pub buyer: AccountId,
    pub quantity: Quantity,
    /// Frozen: a later edit of the ticket does not change what this order costs.
    pub unit_price: Money,
    pub expires_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TicketReleased {
    pub order: OrderId,
    pub reason: ReleaseReason,
}

/// Why a reservation ended without a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    Cancelled,
    Expired,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TicketSold {
    pub order: OrderId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TicketReturned {
    pub order: OrderId,
    pub quantity: Quantity,
    pub refund: RefundId,
}
