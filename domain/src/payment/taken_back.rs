//! Money of a payment that went back without our asking.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{DisputeClosed, DisputeOpened, DisputeOutcome, ExternalRefundDetected};
use crate::money::Money;

/// Refunds that somebody made at the provider, and disputes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TakenBack {
    /// By the provider's name of the refund; none of them is ours.
    refunds: BTreeMap<String, Money>,
    /// The provider's names of our own refunds.
    ours: BTreeSet<String>,
    /// By the provider's name of the dispute.
    disputes: BTreeMap<String, Dispute>,
}

/// The buyer's complaint at the bank.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dispute {
    pub amount: Money,
    pub state: DisputeState,
}

/// How far a dispute is, from the weakest fact to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DisputeState {
    Open,
    Won,
    Lost,
}

impl From<DisputeOutcome> for DisputeState {
    fn from(outcome: DisputeOutcome) -> Self {
        match outcome {
            DisputeOutcome::Won => Self::Won,
            DisputeOutcome::Lost => Self::Lost,
        }
    }
}

impl TakenBack {
    #[must_use]
    pub fn disputes(&self) -> &BTreeMap<String, Dispute> {
        &self.disputes
    }

    /// Whether the buyer's bank has the money until it decides.
    #[must_use]
    pub fn is_disputed(&self) -> bool {
        self.disputes.values().any(|dispute| dispute.state == DisputeState::Open)
    }

    /// Whether the buyer's bank has given the money back for good.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        self.disputes.values().any(|dispute| dispute.state == DisputeState::Lost)
    }

    /// Refunds by others, by the provider's name.
    #[must_use]
    pub fn refunds(&self) -> &BTreeMap<String, Money> {
        &self.refunds
    }

    /// What others gave back, in minor units.
    #[must_use]
    pub fn refunded_minor(&self) -> i64 {
        self.refunds.values().fold(0, |sum, amount| sum.saturating_add(amount.minor))
    }

    /// All that is not ours to give back: what others gave back, and what is disputed or lost.
    #[must_use]
    pub fn minor(&self) -> i64 {
        let disputes = self.disputes.values().filter(|dispute| dispute.state != DisputeState::Won);
        disputes
            .fold(self.refunded_minor(), |sum, dispute| sum.saturating_add(dispute.amount.minor))
    }

    pub(super) fn knows_refund(&self, provider_ref: &str) -> bool {
        self.ours.contains(provider_ref) || self.refunds.contains_key(provider_ref)
    }

    pub(super) fn is_news(&self, dispute: &str, state: DisputeState) -> bool {
        self.disputes.get(dispute).is_none_or(|known| state > known.state)
    }

    pub(super) fn is_ours(&mut self, provider_ref: &str) {
        self.refunds.remove(provider_ref);
        self.ours.insert(provider_ref.to_owned());
    }

    pub(super) fn refunded(&mut self, detected: &ExternalRefundDetected) {
        if !self.ours.contains(&detected.provider_ref) {
            self.refunds.insert(detected.provider_ref.clone(), detected.amount);
        }
    }

    pub(super) fn dispute_opened(&mut self, opened: &DisputeOpened) {
        self.dispute(&opened.dispute, opened.amount, DisputeState::Open);
    }

    pub(super) fn dispute_closed(&mut self, closed: &DisputeClosed) {
        self.dispute(&closed.dispute, closed.amount, closed.outcome.into());
    }

    fn dispute(&mut self, dispute: &str, amount: Money, state: DisputeState) {
        if self.is_news(dispute, state) {
            self.disputes.insert(dispute.to_owned(), Dispute { amount, state });
        }
    }
}
