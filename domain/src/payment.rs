//! One attempt to pay an order.
//!
//! What the provider says may come late, twice or in any order. The state depends on the set of
//! facts alone: captured outweighs voided, voided outweighs failed, failed outweighs "the bank
//! wants more"; a fact that is outweighed or known changes nothing and is not recorded.
//!
//! Money goes back by our own refunds, by refunds somebody made at the provider, and by disputes.
//! A refund of ours may be noticed as somebody's before its own answer arrives: the provider's name
//! of it tells that both are one. What the provider keeps for itself is noted, and changes nothing
//! between us and the buyer.

mod event;
mod taken_back;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use event::{
    DisputeClosed, DisputeOpened, DisputeOutcome, ExternalRefundDetected, PaymentActionRequired,
    PaymentCaptured, PaymentEvent, PaymentFailed, PaymentInitiated, PaymentVoided,
    ProviderFeeCharged, RefundFailed, RefundInitiated, RefundSucceeded,
};
pub use taken_back::{Dispute, DisputeState, TakenBack};

use crate::account::Sealed;
use crate::aggregate::Aggregate;
use crate::id::{PaymentId, RefundId};
use crate::money::Money;

/// The source of a payment that the seller takes at the door, and says so.
pub const AT_THE_DOOR: &str = "door";

/// The state of a payment.
#[allow(clippy::large_enum_variant, reason = "the small variant lives only until the first event")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Payment {
    #[default]
    None,
    Initiated {
        intent: PaymentInitiated,
        outcome: Outcome,
        /// Ours.
        refunds: BTreeMap<RefundId, Refund>,
        /// What went back without us.
        taken_back: TakenBack,
        /// What the provider kept, by its names of the movements.
        fees: BTreeSet<String>,
    },
}

/// What is known of how it ended, from the weakest fact to the strongest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Undecided,
    ActionRequired { provider_ref: String, client_secret: Sealed },
    Failed { code: String, retryable: bool },
    Voided,
    Captured { provider_ref: String },
}

impl Outcome {
    /// The place in the order of facts.
    fn weight(&self) -> u8 {
        match self {
            Self::Undecided => 0,
            Self::ActionRequired { .. } => 1,
            Self::Failed { .. } => 2,
            Self::Voided => 3,
            Self::Captured { .. } => 4,
        }
    }

    /// Of two failures the one that leaves the buyer less counts, and then the alphabet, so that
    /// it does not matter which was heard of first.
    fn outweighs(&self, known: &Self) -> bool {
        if let (
            Self::Failed { code, retryable },
            Self::Failed { code: known_code, retryable: known_retryable },
        ) = (self, known)
        {
            return (!retryable, code) > (!known_retryable, known_code);
        }
        self.weight() > known.weight()
    }

    /// The word for it on the wire.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Undecided => "initiated",
            Self::ActionRequired { .. } => "action_required",
            Self::Failed { .. } => "failed",
            Self::Voided => "voided",
            Self::Captured { .. } => "captured",
        }
    }
}

/// One giving back of money.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refund {
    pub amount: Money,
    pub state: RefundState,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundState {
    Initiated,
    Succeeded,
    Failed,
}

impl Payment {
    #[must_use]
    pub fn intent(&self) -> Option<&PaymentInitiated> {
        match self {
            Self::None => None,
            Self::Initiated { intent, .. } => Some(intent),
        }
    }

    /// A refund of ours.
    #[must_use]
    pub fn refund(&self, id: RefundId) -> Option<&Refund> {
        match self {
            Self::None => None,
            Self::Initiated { refunds, .. } => refunds.get(&id),
        }
    }

    /// Our refunds.
    pub fn refunds(&self) -> impl Iterator<Item = RefundId> {
        let refunds = match self {
            Self::None => None,
            Self::Initiated { refunds, .. } => Some(refunds),
        };
        refunds.into_iter().flat_map(|refunds| refunds.keys()).copied()
    }

    /// What went back without us.
    #[must_use]
    pub fn taken_back(&self) -> Option<&TakenBack> {
        match self {
            Self::None => None,
            Self::Initiated { taken_back, .. } => Some(taken_back),
        }
    }

    /// What can still be given back, in minor units.
    #[must_use]
    pub fn left_minor(&self) -> i64 {
        match self {
            Self::Initiated {
                intent,
                outcome: Outcome::Captured { .. },
                refunds,
                taken_back,
                ..
            } => {
                let ours = refunds.values().filter(|refund| refund.state != RefundState::Failed);
                let ours: i64 = ours.map(|refund| refund.amount.minor).sum();
                intent.amount.minor.saturating_sub(ours.saturating_add(taken_back.minor()))
            }
            Self::None | Self::Initiated { .. } => 0,
        }
    }

    /// Whether all the money has gone back.
    #[must_use]
    pub fn is_refunded(&self) -> bool {
        match self {
            Self::None => false,
            Self::Initiated { intent, refunds, taken_back, .. } => {
                let ours = refunds.values().filter(|refund| refund.state == RefundState::Succeeded);
                let ours = ours.map(|refund| refund.amount.minor).sum::<i64>();
                ours.saturating_add(taken_back.refunded_minor()) >= intent.amount.minor
            }
        }
    }

    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::None => None,
            Self::Initiated { outcome, .. } => Some(outcome),
        }
    }
}

/// What can be asked of a payment.
#[derive(Clone, Debug, PartialEq)]
pub enum PaymentCommand {
    Initiate(PaymentInitiated),
    RecordResult(ProviderResult),
    Refund {
        refund: RefundId,
        amount: Money,
        provider_key: String,
    },
    RecordRefund {
        refund: RefundId,
        result: RefundResult,
    },
    /// Somebody gave money back at the provider.
    RecordExternalRefund(ExternalRefundDetected),
    RecordDispute(DisputeFact),
    RecordFee(ProviderFeeCharged),
}

/// What the provider says of a dispute.
#[derive(Clone, Debug, PartialEq)]
pub enum DisputeFact {
    Opened(DisputeOpened),
    Closed(DisputeClosed),
}

/// What the provider says of a payment.
#[derive(Clone, Debug, PartialEq)]
pub enum ProviderResult {
    Captured { provider_ref: String },
    Failed { code: String, retryable: bool },
    ActionRequired { provider_ref: String, client_secret: Sealed },
    Voided,
}

/// What the provider says of a refund.
#[derive(Clone, Debug, PartialEq)]
pub enum RefundResult {
    Succeeded { provider_ref: String },
    Failed { code: String },
}

/// Why a payment refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaymentRejection {
    #[error("Payment not found")]
    NotFound,
    #[error("this payment was initiated for something else")]
    InitiatedOtherwise,
    #[error("no money has been taken by this payment")]
    NotCaptured,
    #[error("a refund cannot be more than was taken and not given back yet")]
    RefundTooLarge,
    #[error("this refund was initiated with another amount")]
    RefundOtherwise,
    #[error("Refund not found")]
    RefundNotFound,
}

impl Aggregate for Payment {
    const CATEGORY: &'static str = "payment";
    type Id = PaymentId;
    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type Rejection = PaymentRejection;

    fn decide(&self, command: PaymentCommand) -> Result<Vec<PaymentEvent>, PaymentRejection> {
        match command {
            PaymentCommand::Initiate(intent) => self.initiate(intent),
            PaymentCommand::RecordResult(result) => self.record_result(result),
            PaymentCommand::Refund { refund, amount, provider_key } => {
                self.give_back(RefundInitiated { refund, amount, provider_key })
            }
            PaymentCommand::RecordRefund { refund, result } => self.record_refund(refund, result),
            PaymentCommand::RecordExternalRefund(detected) => self.record_external(detected),
            PaymentCommand::RecordDispute(fact) => self.record_dispute(fact),
            PaymentCommand::RecordFee(charged) => self.record_fee(charged),
        }
    }

    fn evolve(self, event: &PaymentEvent) -> Self {
        match event {
            PaymentEvent::PaymentInitiated(intent) => Self::Initiated {
                intent: intent.clone(),
                outcome: Outcome::Undecided,
                refunds: BTreeMap::new(),
                taken_back: TakenBack::default(),
                fees: BTreeSet::new(),
            },
            PaymentEvent::PaymentActionRequired(PaymentActionRequired {
                provider_ref,
                client_secret,
            }) => self.learn(Outcome::ActionRequired {
                provider_ref: provider_ref.clone(),
                client_secret: client_secret.clone(),
            }),
            PaymentEvent::PaymentCaptured(PaymentCaptured { provider_ref }) => {
                self.learn(Outcome::Captured { provider_ref: provider_ref.clone() })
            }
            PaymentEvent::PaymentFailed(PaymentFailed { code, retryable }) => {
                self.learn(Outcome::Failed { code: code.clone(), retryable: *retryable })
            }
            PaymentEvent::PaymentVoided(_) => self.learn(Outcome::Voided),
            PaymentEvent::RefundInitiated(RefundInitiated { refund, amount, .. }) => {
                self.put_refund(*refund, Some(*amount), RefundState::Initiated)
            }
            PaymentEvent::RefundSucceeded(RefundSucceeded { refund, provider_ref }) => self
                .put_refund(*refund, None, RefundState::Succeeded)
                .taken(|taken_back| taken_back.is_ours(provider_ref)),
            PaymentEvent::RefundFailed(RefundFailed { refund, .. }) => {
                self.put_refund(*refund, None, RefundState::Failed)
            }
            PaymentEvent::ExternalRefundDetected(detected) => {
                self.taken(|taken_back| taken_back.refunded(detected))
            }
            PaymentEvent::DisputeOpened(opened) => {
                self.taken(|taken_back| taken_back.dispute_opened(opened))
            }
            PaymentEvent::DisputeClosed(closed) => {
                self.taken(|taken_back| taken_back.dispute_closed(closed))
            }
            PaymentEvent::ProviderFeeCharged(charged) => self.kept(&charged.provider_ref),
        }
    }
}

// === The rules ===

impl Payment {
    fn initiate(&self, intent: PaymentInitiated) -> Result<Vec<PaymentEvent>, PaymentRejection> {
        match self.intent() {
            None => Ok(vec![PaymentEvent::PaymentInitiated(intent)]),
            Some(known) if *known == intent => Ok(Vec::new()),
            Some(_) => Err(PaymentRejection::InitiatedOtherwise),
        }
    }

    fn record_result(&self, result: ProviderResult) -> Result<Vec<PaymentEvent>, PaymentRejection> {
        let known = self.outcome().ok_or(PaymentRejection::NotFound)?;
        let (fact, event) = match result {
            ProviderResult::Captured { provider_ref } => (
                Outcome::Captured { provider_ref: provider_ref.clone() },
                PaymentEvent::PaymentCaptured(PaymentCaptured { provider_ref }),
            ),
            ProviderResult::Failed { code, retryable } => (
                Outcome::Failed { code: code.clone(), retryable },
                PaymentEvent::PaymentFailed(PaymentFailed { code, retryable }),
            ),
            ProviderResult::ActionRequired { provider_ref, client_secret } => (
                Outcome::ActionRequired {
                    provider_ref: provider_ref.clone(),
                    client_secret: client_secret.clone(),
                },
                PaymentEvent::PaymentActionRequired(PaymentActionRequired {
                    provider_ref,
                    client_secret,
                }),
            ),
            ProviderResult::Voided => {
                (Outcome::Voided, PaymentEvent::PaymentVoided(PaymentVoided {}))
            }
        };
        if fact.outweighs(known) { Ok(vec![event]) } else { Ok(Vec::new()) }
    }

    fn give_back(&self, asked: RefundInitiated) -> Result<Vec<PaymentEvent>, PaymentRejection> {
        let Self::Initiated { intent, outcome: Outcome::Captured { .. }, refunds, .. } = self
        else {
            return Err(PaymentRejection::NotCaptured);
        };
        if let Some(known) = refunds.get(&asked.refund) {
            let same = known.amount == asked.amount;
            return if same { Ok(Vec::new()) } else { Err(PaymentRejection::RefundOtherwise) };
        }
        let fits = asked.amount.currency == intent.amount.currency
            && (1..=self.left_minor()).contains(&asked.amount.minor);
        if !fits {
            return Err(PaymentRejection::RefundTooLarge);
        }
        Ok(vec![PaymentEvent::RefundInitiated(asked)])
    }

    fn record_refund(
        &self,
        refund: RefundId,
        result: RefundResult,
    ) -> Result<Vec<PaymentEvent>, PaymentRejection> {
        let Self::Initiated { refunds, .. } = self else {
            return Err(PaymentRejection::NotFound);
        };
        let known = refunds.get(&refund).ok_or(PaymentRejection::RefundNotFound)?;
        match (known.state, result) {
            (
                RefundState::Initiated | RefundState::Failed,
                RefundResult::Succeeded { provider_ref },
            ) => Ok(vec![PaymentEvent::RefundSucceeded(RefundSucceeded { refund, provider_ref })]),
            (RefundState::Initiated, RefundResult::Failed { code }) => {
                Ok(vec![PaymentEvent::RefundFailed(RefundFailed { refund, code })])
            }
            (RefundState::Succeeded, _) | (RefundState::Failed, RefundResult::Failed { .. }) => {
                Ok(Vec::new())
            }
        }
    }

    /// A fact whether or not it agrees with what we know; noted once.
    fn record_external(
        &self,
        detected: ExternalRefundDetected,
    ) -> Result<Vec<PaymentEvent>, PaymentRejection> {
        let Self::Initiated { taken_back, .. } = self else {
            return Err(PaymentRejection::NotFound);
        };
        if taken_back.knows_refund(&detected.provider_ref) {
            return Ok(Vec::new());
        }
        Ok(vec![PaymentEvent::ExternalRefundDetected(detected)])
    }

    fn record_dispute(&self, fact: DisputeFact) -> Result<Vec<PaymentEvent>, PaymentRejection> {
        let Self::Initiated { taken_back, .. } = self else {
            return Err(PaymentRejection::NotFound);
        };
        let (news, event) = match fact {
            DisputeFact::Opened(opened) => (
                taken_back.is_news(&opened.dispute, DisputeState::Open),
                PaymentEvent::DisputeOpened(opened),
            ),
            DisputeFact::Closed(closed) => (
                taken_back.is_news(&closed.dispute, closed.outcome.into()),
                PaymentEvent::DisputeClosed(closed),
            ),
        };
        if news { Ok(vec![event]) } else { Ok(Vec::new()) }
    }

    fn record_fee(
        &self,
        charged: ProviderFeeCharged,
    ) -> Result<Vec<PaymentEvent>, PaymentRejection> {
        let Self::Initiated { fees, .. } = self else {
            return Err(PaymentRejection::NotFound);
        };
        if fees.contains(&charged.provider_ref) {
            return Ok(Vec::new());
        }
        Ok(vec![PaymentEvent::ProviderFeeCharged(charged)])
    }

    // === What each event changes ===

    fn kept(mut self, provider_ref: &str) -> Self {
        match &mut self {
            Self::None => {}
            Self::Initiated { fees, .. } => {
                fees.insert(provider_ref.to_owned());
            }
        }
        self
    }

    fn taken(mut self, change: impl FnOnce(&mut TakenBack)) -> Self {
        match &mut self {
            Self::None => {}
            Self::Initiated { taken_back, .. } => change(taken_back),
        }
        self
    }

    fn learn(self, fact: Outcome) -> Self {
        match self {
            Self::None => Self::None,
            Self::Initiated { intent, outcome, refunds, taken_back, fees } => {
                let outcome = if fact.outweighs(&outcome) { fact } else { outcome };
                Self::Initiated { intent, outcome, refunds, taken_back, fees }
            }
        }
    }

    fn put_refund(self, id: RefundId, amount: Option<Money>, state: RefundState) -> Self {
        match self {
            Self::None => Self::None,
            Self::Initiated { intent, outcome, mut refunds, taken_back, fees } => {
                let known = refunds.get(&id).map(|refund| refund.amount);
                if let Some(amount) = amount.or(known) {
                    refunds.insert(id, Refund { amount, state });
                }
                Self::Initiated { intent, outcome, refunds, taken_back, fees }
            }
        }
    }
}
