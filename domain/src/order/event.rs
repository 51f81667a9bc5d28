//! What is stored of an order's life.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::{Event, Upcaster};
use crate::id::{AccountId, PaymentId, RefundId, TicketId};
use crate::money::Money;
use crate::text::{Quantity, Title};

/// The events of `order-<id>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum OrderEvent {
    OrderPlaced(OrderPlaced),
    OrderPaymentStarted(OrderPaymentStarted),
    OrderPaymentFailed(OrderPaymentFailed),
    OrderCompleted(OrderCompleted),
    OrderCancelled(OrderCancelled),
    OrderExpired(OrderExpired),
    OrderReinstated(OrderReinstated),
    OrderPaymentTurnedAway(OrderPaymentTurnedAway),
    OrderRefundRequested(OrderRefundRequested),
    OrderRefunded(OrderRefunded),
}

impl Event for OrderEvent {
    const UPCASTERS: &'static [Upcaster] = &[];
}

/// The terms are copied from the ticket when it is reserved and never change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderPlaced {
    /// Whose order it is.
    pub buyer: AccountId,
    pub ticket: TicketId,
    /// The ticket's, when it was reserved.
    pub title: Title,
    /// How many units.
    pub quantity: Quantity,
    /// For one unit.
    pub unit_price: Money,
    /// For all units.
    pub total: Money,
    /// When the order is over unless it has been paid.
    pub expires_at: Timestamp,
}

/// The order waits for this payment and for no other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderPaymentStarted {
    pub payment: PaymentId,
}

/// The payment came to nothing; the order can be paid by another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderPaymentFailed {
    pub payment: PaymentId,
}

/// The order is paid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderCompleted {
    pub payment: PaymentId,
}

/// The buyer has given the order up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderCancelled {
    /// The buyer.
    pub by: AccountId,
}

/// The time to pay is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderExpired {}

/// A cancelled or expired order whose money arrived all the same, and whose units were still to be
/// had, is complete after all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderReinstated {
    pub payment: PaymentId,
}

/// Money of this payment came when the order could not have it, and goes back. Whatever happens to
/// the order, this payment will not pay it any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderPaymentTurnedAway {
    pub payment: PaymentId,
}

/// The money of a paid order is to go back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderRefundRequested {
    pub refund: RefundId,
    /// The payment that paid the order.
    pub payment: PaymentId,
    /// How much is to go back.
    pub amount: Money,
    /// The seller's words; may be empty.
    pub reason: String,
}

/// The money has gone back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderRefunded {
    pub refund: RefundId,
}
