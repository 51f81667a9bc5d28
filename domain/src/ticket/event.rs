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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// Something is for sale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TicketListed {
    /// Who sells it.
    pub seller: AccountId,
    /// What it is called.
    pub title: Title,
    /// For one unit.
    pub price: Money,
    /// How many units there are.
    pub quantity: Quantity,
    /// How many units one order may have at most.
    pub max_per_order: Quantity,
}

/// The seller has changed title or price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TicketEdited {
    /// What it is called from now on.
    pub title: Title,
    /// For one unit, from now on.
    pub price: Money,
}

/// The seller has changed how many there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TicketQuantityChanged {
    /// How many units there are from now on.
    pub quantity: Quantity,
}

/// The seller sells no more; what is reserved is honoured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TicketWithdrawn {
    /// The seller's words; may be empty.
    pub reason: String,
}

/// Units are held for an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TicketReserved {
    pub order: OrderId,
    /// Whose order it is.
    pub buyer: AccountId,
    /// How many units.
    pub quantity: Quantity,
    /// Frozen: a later edit of the ticket does not change what this order costs.
    pub unit_price: Money,
    /// When the order is over unless it has been paid.
    pub expires_at: Timestamp,
}

/// The units held for an order are free again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TicketReleased {
    pub order: OrderId,
    pub reason: ReleaseReason,
}

/// Why a reservation ended without a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ReleaseReason {
    Cancelled,
    Expired,
}

/// The units held for an order are the buyer's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TicketSold {
    pub order: OrderId,
}

/// Sold units came back and can be sold again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TicketReturned {
    pub order: OrderId,
    /// How many units came back.
    pub quantity: Quantity,
    pub refund: RefundId,
}
