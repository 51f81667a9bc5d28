//! Money that the shop gives back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DELAY_SECONDS, Intent, Status, new_id};
use crate::card::Refunding;
use crate::error::ApiError;

/// Money given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) created: i64,
    #[serde(default)]
    pub(crate) state: RefundState,
    /// When it will have come to its end, if it has not.
    #[serde(default)]
    pub(crate) settled_at: Option<i64>,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundState {
    Pending,
    #[default]
    Succeeded,
    Failed,
}

impl RefundState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

impl Intent {
    /// Gives money back; all that is left unless `amount` says how much.
    pub(crate) fn refund(
        &mut self,
        amount: Option<i64>,
        reason: Option<&str>,
        metadata: BTreeMap<String, String>,
        now: i64,
    ) -> Result<String, ApiError> {
        if self.status != Status::Succeeded {
            return Err(ApiError::unexpected_state("refund", self.status));
        }
        if self.is_disputed() {
            let message = "the buyer's bank has taken the money back already";
            return Err(ApiError::refused("charge_disputed", message));
        }
        let left = self.amount - self.refunded();
        if left == 0 {
            let message = "everything has been refunded already";
            return Err(ApiError::refused("charge_already_refunded", message));
        }
        let amount = amount.unwrap_or(left);
        if amount < 1 || amount > left {
            let message = format!("a refund is between 1 and the {left} that are left");
            return Err(ApiError::invalid("amount", "parameter_invalid_integer", message));
        }
        let manner = self.card().map_or(Refunding::AtOnce, |card| card.refund);
        let (state, settled_at) = match manner {
            Refunding::AtOnce => (RefundState::Succeeded, None),
            Refunding::Later => (RefundState::Pending, Some(now + DELAY_SECONDS)),
            Refunding::FailsLater => (RefundState::Succeeded, Some(now + DELAY_SECONDS)),
        };
        let id = new_id("re");
        self.refunds.push(Refund {
            id: id.clone(),
            amount,
            reason: reason.map(str::to_owned),
            metadata,
            created: now,
            state,
            settled_at,
        });
        Ok(id)
    }

    /// What has gone back or is on its way.
    pub(crate) fn refunded(&self) -> i64 {
        let gone = self.refunds.iter().filter(|refund| refund.state != RefundState::Failed);
        gone.map(|refund| refund.amount).sum()
    }

    /// Refunds whose time has come succeed, or fail after all.
    pub(super) fn settle_refunds(&mut self, now: i64) {
        for refund in &mut self.refunds {
            if refund.settled_at.is_some_and(|at| at <= now) {
                refund.settled_at = None;
                refund.state = match refund.state {
                    RefundState::Pending => RefundState::Succeeded,
                    RefundState::Succeeded | RefundState::Failed => RefundState::Failed,
                };
            }
        }
    }
}
