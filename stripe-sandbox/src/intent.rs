//! A payment (Stripe: `PaymentIntent`) and the ways its state moves.
//!
//! `refund` and `dispute`: how money goes back; `movement`: what is left of it.

pub(crate) mod dispute;
pub(crate) mod movement;
pub(crate) mod refund;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::card::{self, Bank, Card, Decline};
use crate::error::ApiError;
use crate::intent::dispute::Dispute;
use crate::intent::refund::Refund;

/// How long a bank that takes its time does so.
pub(crate) const DELAY_SECONDS: i64 = 2;

/// A payment with everything that happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) id: String,
    /// What lets a browser see and finish this payment, and no other.
    pub(crate) client_secret: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) description: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// Seconds since the Unix epoch, as all times here.
    pub(crate) created: i64,
    pub(crate) status: Status,
    pub(crate) method: Option<Method>,
    /// The latest attempt to charge, successful or not.
    pub(crate) charge: Option<String>,
    /// All of them, the first first.
    #[serde(default)]
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) last_error: Option<LastError>,
    /// When a bank that takes its time will have decided.
    #[serde(default)]
    pub(crate) decided_at: Option<i64>,
    pub(crate) canceled_at: Option<i64>,
    pub(crate) cancellation_reason: Option<String>,
    pub(crate) refunds: Vec<Refund>,
    #[serde(default)]
    pub(crate) disputes: Vec<Dispute>,
}

/// One attempt to charge (Stripe: `Charge`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) method: Option<Method>,
    /// Why no money moved; none when it did.
    pub(crate) error: Option<ApiError>,
}

/// Stripe's states of a payment; the rest of them need what the sandbox does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    /// The bank has not answered yet.
    Processing,
    Succeeded,
    Canceled,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

/// A card made ready for one payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Method {
    pub(crate) id: String,
    /// The test card, by the part of its name after `tok_` or `pm_card_`.
    pub(crate) card: String,
    pub(crate) created: i64,
}

impl Method {
    pub(crate) fn new(card: &str, now: i64) -> Self {
        Self { id: new_id("pm"), card: card.to_owned(), created: now }
    }

    pub(crate) fn card(&self) -> Option<Card> {
        card::named(&self.card)
    }
}

/// Why the last attempt failed, and with which card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastError {
    pub(crate) error: ApiError,
    pub(crate) method: Option<Method>,
}

/// What the shop says about the buyer when it confirms.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Confirmation {
    /// Nobody is there whom the bank could ask.
    pub(crate) buyer_absent: bool,
}

impl Intent {
    /// Charges the card in `method`, or the one given before.
    pub(crate) fn confirm(
        &mut self,
        method: Option<Method>,
        confirmation: Confirmation,
        now: i64,
    ) -> Result<(), ApiError> {
        let open = match self.status {
            Status::RequiresPaymentMethod | Status::RequiresConfirmation => true,
            Status::RequiresAction => method.is_some(),
            Status::Processing | Status::Succeeded | Status::Canceled => false,
        };
        if !open {
            return Err(ApiError::unexpected_state("confirm", self.status));
        }
        let Some(method) = method.or_else(|| self.method.take()) else {
            return Err(ApiError::unexpected_state("confirm, without a card,", self.status));
        };
        let bank = method.card().map_or(Bank::Approves, |card| card.bank);
        self.method = Some(method);
        match bank {
            Bank::Approves => self.charge(None, now),
            Bank::Declines(decline) => self.charge(Some(decline), now),
            Bank::Asks { .. } if confirmation.buyer_absent => {
                self.charge(Some(card::AUTHENTICATION_REQUIRED), now)
            }
            Bank::TakesTime { .. } => {
                self.status = Status::Processing;
                self.decided_at = Some(now + DELAY_SECONDS);
                self.last_error = None;
                Ok(())
            }
            Bank::Asks { .. } => {
                self.status = Status::RequiresAction;
                self.last_error = None;
                Ok(())
            }
        }
    }

    /// The buyer has proved who they are, or has failed to; or a bank that takes its time has
    /// answered.
    pub(crate) fn decide(&mut self, approved: bool, now: i64) -> Result<(), ApiError> {
        let error = match self.status {
            Status::RequiresAction => ApiError::refused(
                "payment_intent_authentication_failure",
                "the buyer did not prove to be the owner of the card",
            ),
            Status::Processing => ApiError::declined(card::GENERIC),
            Status::RequiresPaymentMethod
            | Status::RequiresConfirmation
            | Status::Succeeded
            | Status::Canceled => return Err(ApiError::unexpected_state("decide", self.status)),
        };
        self.decided_at = None;
        if approved {
            let bank = self.method.as_ref().and_then(Method::card).map(|card| card.bank);
            let then = match bank {
                Some(Bank::Asks { then } | Bank::TakesTime { then }) => then,
                Some(Bank::Declines(decline)) => Some(decline),
                Some(Bank::Approves) | None => None,
            };
            // A decline that comes later is no error of a request: it shows in the state.
            return self.charge(then, now).or(Ok(()));
        }
        self.fail(error);
        Ok(())
    }

    /// When the money was taken, if it was.
    pub(crate) fn captured_at(&self) -> Option<i64> {
        self.attempts.iter().find(|attempt| attempt.error.is_none()).map(|attempt| attempt.created)
    }

    /// When the next thing happens to this payment by itself.
    pub(crate) fn due(&self) -> Option<i64> {
        let refunds = self.refunds.iter().filter_map(|refund| refund.settled_at);
        self.decided_at.into_iter().chain(refunds).min()
    }

    /// Lets happen what is due.
    pub(crate) fn pass_time(&mut self, now: i64) {
        if self.decided_at.is_some_and(|at| at <= now) {
            // Only a payment that is being processed has such a time.
            let _decided = self.decide(true, now);
        }
        self.settle_refunds(now);
    }

    /// Ends the payment for ever without money moving.
    pub(crate) fn cancel(&mut self, reason: Option<&str>, now: i64) -> Result<(), ApiError> {
        match self.status {
            Status::RequiresPaymentMethod
            | Status::RequiresConfirmation
            | Status::RequiresAction => {
                self.status = Status::Canceled;
                self.canceled_at = Some(now);
                self.cancellation_reason = reason.map(str::to_owned);
                Ok(())
            }
            Status::Processing | Status::Succeeded | Status::Canceled => {
                Err(ApiError::unexpected_state("cancel", self.status))
            }
        }
    }

    fn charge(&mut self, decline: Option<Decline>, now: i64) -> Result<(), ApiError> {
        let id = new_id("ch");
        let error = decline.map(ApiError::declined);
        let attempt = Attempt {
            id: id.clone(),
            created: now,
            method: self.method.clone(),
            error: error.clone(),
        };
        self.charge = Some(id);
        self.attempts.push(attempt);
        if let Some(error) = error {
            self.fail(error.clone());
            return Err(error);
        }
        self.status = Status::Succeeded;
        self.last_error = None;
        if let Some(reason) = self.card().and_then(|card| card.dispute) {
            self.open_dispute(reason, None, now)?;
        }
        Ok(())
    }

    /// The card that was charged or is to be.
    pub(crate) fn card(&self) -> Option<Card> {
        self.method.as_ref().and_then(Method::card)
    }

    /// Back to where another card may be tried.
    fn fail(&mut self, error: ApiError) {
        self.status = Status::RequiresPaymentMethod;
        self.last_error = Some(LastError { error, method: self.method.take() });
    }
}

/// A new identifier in Stripe's manner: what it is, then something unguessable.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::new_v4().simple())
}
