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
pub enum OrderEvent {
    OrderPlaced(OrderPlaced),
    OrderPaymentStarted(OrderPaymentStarted),
    OrderPaymentFailed(OrderPaymentFailed),
    OrderCompleted(OrderCompleted),
    OrderCancelled(OrderCancelled),
    OrderExpired(OrderExpired),
    OrderReinstated(OrderReinstated),
    OrderRefundRequested(OrderRefundRequested),
    OrderRefunded(OrderRefunded),
}

impl Event for OrderEvent {
    const UPCASTERS: &'static [Upcaster] = &[];
}

/// The terms are copied from the ticket when it is reserved and never change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderPlaced {
    pub buyer: AccountId,
    pub ticket: TicketId,
    pub title: Title,
    pub quantity: Quantity,
    pub unit_price: Money,
    pub total: Money,
    pub expires_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderPaymentStarted {
    pub payment: PaymentId,
}

/// The payment came to nothing; the order can be paid by another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderPaymentFailed {
    pub payment: PaymentId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderCompleted {
    pub payment: PaymentId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderCancelled {
    pub by: AccountId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderExpired {}

/// A cancelled or expired order whose money arrived all the same, and whose units were still to be
/// had, is complete after all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderReinstated {
    pub payment: PaymentId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderRefundRequested {
    pub refund: RefundId,
    pub payment: PaymentId,
    pub amount: Money,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderRefunded {
    pub refund: RefundId,
}
