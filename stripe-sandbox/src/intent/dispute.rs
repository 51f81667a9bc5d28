//! The buyer's complaint at the bank, which takes the money back until it is decided.

use serde::{Deserialize, Serialize};

use super::{Intent, Status, new_id};
use crate::error::ApiError;

/// A complaint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    pub(crate) amount: i64,
    /// Stripe's word for why, such as `fraudulent`.
    pub(crate) reason: String,
    pub(crate) created: i64,
    pub(crate) state: DisputeState,
}

/// How far a complaint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DisputeState {
    NeedsResponse,
    Won,
    Lost,
}

impl DisputeState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NeedsResponse => "needs_response",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }
}

impl Intent {
    /// The buyer complains about what is left of the payment, unless `amount` says about how much.
    pub(crate) fn open_dispute(
        &mut self,
        reason: &str,
        amount: Option<i64>,
        now: i64,
    ) -> Result<(), ApiError> {
        if self.status != Status::Succeeded || self.is_disputed() {
            return Err(ApiError::unexpected_state("dispute", self.status));
        }
        let left = self.amount - self.refunded();
        let amount = amount.unwrap_or(left);
        if amount < 1 || amount > left {
            let message = format!("a dispute is about 1 to the {left} that are left");
            return Err(ApiError::invalid("amount", "parameter_invalid_integer", message));
        }
        let (id, reason) = (new_id("du"), reason.to_owned());
        let state = DisputeState::NeedsResponse;
        self.disputes.push(Dispute { id, amount, reason, created: now, state });
        Ok(())
    }

    /// The bank decides the complaint that is open.
    pub(crate) fn close_dispute(&mut self, won: bool) -> Result<(), ApiError> {
        let open = |dispute: &&mut Dispute| dispute.state == DisputeState::NeedsResponse;
        let status = self.status;
        let Some(dispute) = self.disputes.iter_mut().find(open) else {
            return Err(ApiError::unexpected_state("close a dispute of", status));
        };
        dispute.state = if won { DisputeState::Won } else { DisputeState::Lost };
        Ok(())
    }

    /// Whether the money is with the bank: it is contested, or was and is lost.
    pub(crate) fn is_disputed(&self) -> bool {
        self.disputes.iter().any(|dispute| dispute.state != DisputeState::Won)
    }

    /// What the bank has taken back.
    pub(crate) fn disputed(&self) -> i64 {
        let gone = self.disputes.iter().filter(|dispute| dispute.state != DisputeState::Won);
        gone.map(|dispute| dispute.amount).sum()
    }
}
