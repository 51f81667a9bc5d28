//! Taking money, whoever the provider is.
//!
//! The payment's intent is in the log before any of this is called, and its result is recorded
//! afterwards. Between the two anything may crash, so each call may be made again, by anybody, at
//! any time, also at once with another: the answers agree and money moves at most once.

mod bounded;
mod statement;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use domain::Timestamp;
use domain::id::OrderId;
use domain::money::Money;
use domain::notice::{NoticeId, ProviderNoticeReceived};

pub(crate) use bounded::Bounded;
pub use statement::{Dispute, DisputeState, Fee, Refund, RefundState, Statement, Taken};

use crate::Dependencies;
use crate::door;

/// One payment as the provider is asked for it. Its fields never change once it was initiated: the
/// provider refuses a key that comes again with other particulars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Names the payment at the provider; derived from the payment id.
    pub key: String,
    /// Shown beside the payment at the provider, for people.
    pub order: OrderId,
    pub amount: Money,
    /// When the payment was initiated: providers forget keys after a day, and a gateway must then
    /// look for the payment in another way.
    pub initiated_at: Timestamp,
}

/// Money of a captured payment that goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repayment {
    /// The provider's name of the payment.
    pub provider_ref: String,
    /// Names the refund at the provider; derived from the refund id.
    pub key: String,
    pub amount: Money,
    /// All that the payment took.
    pub captured: Money,
}

/// What became of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The money is taken.
    Captured { provider_ref: String },
    /// The bank wants to see the buyer, whose browser goes on with the secret.
    ActionRequired { provider_ref: String, client_secret: ClientSecret },
    /// The bank refused. Final: this payment will never take money.
    Declined {
        provider_ref: String,
        code: String,
        /// Whether the same card may work when it is tried again; otherwise it takes another.
        retryable: bool,
    },
    /// Cancelled. Final: this payment will never take money.
    Voided { provider_ref: String },
}

/// How a payment ended for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The money had been taken before it could be cancelled.
    Captured { provider_ref: String },
    /// No money was taken, and whatever is still under way can take none.
    Voided { provider_ref: String },
}

/// Why nothing was learned about a payment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The provider is away, busy, or did not answer: the payment is undecided, ask again later.
    #[error("the payment provider gives no answer: {reason}")]
    Unavailable { reason: String },
    /// The provider does not accept what is asked, such as a source it does not know. Final: this
    /// payment will never take money.
    #[error("the payment provider refuses ({code}): {reason}")]
    Refused { code: String, reason: String },
    /// A person has to look: a wrong secret key, another account, or a key that the provider knows
    /// with other particulars. The payment is undecided until then.
    #[error("the payment provider is not set up right: {reason}")]
    Misconfigured { reason: String },
}

/// A provider of payments.
#[async_trait]
pub trait Gateway: Send + Sync {
    /// Takes the money from `source`, the buyer's token or payment method. Asked again with the
    /// same charge it gives the same outcome, or what has become of it since; none while that is
    /// not decided.
    ///
    /// # Errors
    /// Every [`GatewayError`]; only `Refused` is a result.
    async fn charge(&self, charge: &Charge, source: &str) -> Result<Option<Outcome>, GatewayError>;

    /// What has become of a payment, without charging anything; none while the bank has given no
    /// result, or was never asked for one.
    ///
    /// # Errors
    /// Every [`GatewayError`]; `Refused` says that there is no such payment and can be none.
    async fn look(&self, charge: &Charge) -> Result<Option<Outcome>, GatewayError>;

    /// Ends a payment unless its money is taken, whether or not the provider has heard of it. A
    /// charge that is under way at the same time then finds it cancelled.
    ///
    /// # Errors
    /// Every [`GatewayError`]; `Refused` says that there is no such payment and can be none.
    async fn cancel(&self, charge: &Charge) -> Result<Ending, GatewayError>;

    /// Gives money back, and tells the provider's name of the refund; none while it has not gone
    /// back. Asked again with the same repayment it gives nothing more.
    ///
    /// # Errors
    /// Every [`GatewayError`]; `Refused` says that the money cannot be given back as things are.
    async fn refund(&self, repayment: &Repayment) -> Result<Option<String>, GatewayError>;

    /// All that the provider knows of a payment by its own name of it, as it is now; none when it
    /// is not one of ours.
    ///
    /// # Errors
    /// Every [`GatewayError`].
    async fn statement(&self, provider_ref: &str) -> Result<Option<Statement>, GatewayError>;

    /// What has happened at the provider from one second to another, both included; until now when
    /// there is no end. The oldest first.
    ///
    /// # Errors
    /// Every [`GatewayError`].
    async fn events(
        &self,
        from: Timestamp,
        until: Option<Timestamp>,
    ) -> Result<Vec<(NoticeId, ProviderNoticeReceived)>, GatewayError>;
}

/// Every way to pay. Another provider is a file with an `impl Gateway`, and a line in [`of`].
///
/// [`of`]: Gateways::of
#[derive(Clone)]
pub(crate) struct Gateways {
    /// Where the tokens and payment methods of cards are good.
    card: Arc<dyn Gateway>,
    door: Arc<dyn Gateway>,
}

impl Gateways {
    pub(crate) fn new(deps: &Dependencies) -> Self {
        Self { card: Arc::clone(&deps.gateway), door: Arc::new(door::Door) }
    }

    /// Whom the money of this source comes from.
    pub(crate) fn of(&self, source: &str) -> &dyn Gateway {
        if source == domain::payment::AT_THE_DOOR { &*self.door } else { &*self.card }
    }
}

/// What a buyer's browser needs to finish one payment; kept out of logs.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(String);

impl ClientSecret {
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// For the buyer's eyes only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}
