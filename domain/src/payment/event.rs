//! What is stored of a payment's life.

use serde::{Deserialize, Serialize};

use crate::account::Sealed;
use crate::event::{Event, Upcaster};
use crate::id::{AccountId, OrderId, RefundId};
use crate::money::Money;

/// The events of `payment-<id>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PaymentEvent {
    PaymentInitiated(PaymentInitiated),
    PaymentActionRequired(PaymentActionRequired),
    PaymentCaptured(PaymentCaptured),
    PaymentFailed(PaymentFailed),
    PaymentVoided(PaymentVoided),
    RefundInitiated(RefundInitiated),
    RefundSucceeded(RefundSucceeded),
    RefundFailed(RefundFailed),
    ExternalRefundDetected(ExternalRefundDetected),
    DisputeOpened(DisputeOpened),
    DisputeClosed(DisputeClosed),
    ProviderFeeCharged(ProviderFeeCharged),
}

impl Event for PaymentEvent {
    const UPCASTERS: &'static [Upcaster] = &[];
}

/// The intent to take money, in the log before the provider hears of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PaymentInitiated {
    pub order: OrderId,
    /// Who pays.
    pub buyer: AccountId,
    /// How much is to be taken.
    pub amount: Money,
    /// The provider's name for where the money comes from, such as `tok_…` or `pm_…`: needed to
    /// ask again after a crash, of no use without the shop's own secret key. Or `door`: the seller
    /// takes it at the door.
    pub source: String,
    /// The provider's idempotency key: asked again under it, the provider charges once.
    pub provider_key: String,
}

/// The bank wants more from the buyer, as 3-D Secure does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PaymentActionRequired {
    /// The provider's name of the payment.
    pub provider_ref: String,
    /// What the buyer's browser proves itself with to the bank. Whoever has it can confirm the
    /// payment, so it is sealed under the buyer's key.
    pub client_secret: Sealed,
}

/// The money is taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PaymentCaptured {
    /// The provider's name of the payment.
    pub provider_ref: String,
}

/// The bank or the provider refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PaymentFailed {
    /// The provider's word for why, such as `insufficient_funds`.
    pub code: String,
    /// Whether the buyer may try again with the same source.
    pub retryable: bool,
}

/// Called off before any money moved; it can never be captured any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PaymentVoided {}

/// The intent to give money back, in the log before the provider hears of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefundInitiated {
    pub refund: RefundId,
    /// How much is to go back.
    pub amount: Money,
    /// The provider's idempotency key: asked again under it, the provider pays back once.
    pub provider_key: String,
}

/// The money has gone back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefundSucceeded {
    pub refund: RefundId,
    /// The provider's name of the refund.
    pub provider_ref: String,
}

/// The provider could not give the money back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefundFailed {
    pub refund: RefundId,
    /// The provider's word for why.
    pub code: String,
}

/// Money has gone back without our asking, as from the provider's own pages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExternalRefundDetected {
    /// The provider's name of the refund.
    pub provider_ref: String,
    /// How much went back.
    pub amount: Money,
}

/// The buyer contests the payment at the bank, which has taken the money back until it is decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DisputeOpened {
    /// The provider's name of the dispute.
    pub dispute: String,
    /// How much is contested.
    pub amount: Money,
    /// The provider's word for why, such as `fraudulent`.
    pub reason: String,
}

/// The bank has decided a dispute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DisputeClosed {
    /// The provider's name of the dispute.
    pub dispute: String,
    /// How much was contested.
    pub amount: Money,
    pub outcome: DisputeOutcome,
}

/// How a dispute ended, as we see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DisputeOutcome {
    /// The money is ours again.
    Won,
    /// The money stays with the buyer.
    Lost,
}

/// The provider has kept a fee, of a payment or of a dispute about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProviderFeeCharged {
    /// The provider's name of the movement of money that the fee came with.
    pub provider_ref: String,
    /// In the currency of our account there, whatever the payment's is. Below zero: given back.
    pub fee: Money,
}
