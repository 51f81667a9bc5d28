//! What is stored of a payment's life.

use serde::{Deserialize, Serialize};

use crate::account::Sealed;
use crate::event::{Event, Upcaster};
use crate::id::{AccountId, OrderId, RefundId};
use crate::money::Money;

/// The events of `payment-<id>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum PaymentEvent {
    PaymentInitiated(PaymentInitiated),
    PaymentActionRequired(PaymentActionRequired),
    PaymentCaptured(PaymentCaptured),
    PaymentFailed(PaymentFailed),
    PaymentVoided(PaymentVoided),
    RefundInitiated(RefundInitiated),
    RefundSucceeded(RefundSucceeded),
    RefundFailed(RefundFailed),
}

impl Event for PaymentEvent {
    const UPCASTERS: &'static [Upcaster] = &[];
}

/// The intent to take money, in the log before the provider hears of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaymentInitiated {
    pub order: OrderId,
    pub buyer: AccountId,
    pub amount: Money,
    /// The provider's name for where the money comes from, such as `tok_…` or `pm_…`: needed to
    /// ask again after a crash, of no use without the shop's own secret key.
    pub source: String,
    /// The provider's idempotency key: asked again under it, the provider charges once.
    pub provider_key: String,
}

/// The bank wants more from the buyer, as 3-D Secure does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaymentActionRequired {
    pub provider_ref: String,
    /// What the buyer's browser proves itself with to the bank. Whoever has it can confirm the
    /// payment, so it is sealed under the buyer's key.
    pub client_secret: Sealed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaymentCaptured {
    pub provider_ref: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaymentFailed {
    /// The provider's word for why, such as `insufficient_funds`.
    pub code: String,
    /// Whether the buyer may try again with the same source.
    pub retryable: bool,
}

/// Called off before any money moved; it can never be captured any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaymentVoided {}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefundInitiated {
    pub refund: RefundId,
    pub amount: Money,
    pub provider_key: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefundSucceeded {
    pub refund: RefundId,
    pub provider_ref: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefundFailed {
    pub refund: RefundId,
    pub code: String,
}
