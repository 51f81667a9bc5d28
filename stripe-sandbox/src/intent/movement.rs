//! What moves on the shop's balance (Stripe: `BalanceTransaction`), and what Stripe keeps of it.

use super::refund::RefundState;
use super::{Intent, Status};

/// As of cards in the United States: 2.9 % and 30 minor units.
const FEE_PER_MILLE: i64 = 29;
const FEE_FIXED: i64 = 30;
/// Of each dispute, however it ends.
const DISPUTE_FEE: i64 = 1_500;

/// One movement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Movement {
    pub(crate) id: String,
    /// The charge, refund or dispute that it comes from.
    pub(crate) source: String,
    pub(crate) created: i64,
    /// Below zero when money leaves.
    pub(crate) amount: i64,
    pub(crate) fee: i64,
    pub(crate) kind: Kind,
}

/// Where money comes from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Charge,
    Refund,
    Dispute,
}

impl Kind {
    /// Stripe's word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::Dispute => "adjustment",
        }
    }

    /// Stripe's word for people who keep accounts.
    pub(crate) fn category(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::Dispute => "dispute",
        }
    }
}

impl Intent {
    pub(crate) fn movements(&self) -> Vec<Movement> {
        if self.status != Status::Succeeded {
            return Vec::new();
        }
        let taken = self.attempts.iter().filter(|attempt| attempt.error.is_none());
        let fee = self.amount * FEE_PER_MILLE / 1_000 + FEE_FIXED;
        let taken = taken.map(|it| movement(&it.id, it.created, self.amount, fee, Kind::Charge));
        let refunds = self.refunds.iter().filter(|refund| refund.state != RefundState::Failed);
        let refunds = refunds.map(|it| movement(&it.id, it.created, -it.amount, 0, Kind::Refund));
        let disputes = self.disputes.iter();
        let disputes =
            disputes.map(|it| movement(&it.id, it.created, -it.amount, DISPUTE_FEE, Kind::Dispute));
        taken.chain(refunds).chain(disputes).collect()
    }

    /// The movement that comes from this charge, refund or dispute.
    pub(crate) fn movement_of(&self, source: &str) -> Option<Movement> {
        self.movements().into_iter().find(|movement| movement.source == source)
    }

    /// All that Stripe has kept.
    pub(crate) fn fees(&self) -> i64 {
        self.movements().iter().map(|movement| movement.fee).sum()
    }
}

/// Named after what it comes from, so that nothing has to be kept.
fn movement(source: &str, created: i64, amount: i64, fee: i64, kind: Kind) -> Movement {
    let id = format!("txn_{}", source.replace('_', ""));
    Movement { id, source: source.to_owned(), created, amount, fee, kind }
}
