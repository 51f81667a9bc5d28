//! A payment (Stripe: `PaymentIntent`) and the ways its state moves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::card::{self, Bank, Card, Decline};
use crate::error::ApiError;

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
    pub(crate) last_error: Option<LastError>,
    pub(crate) canceled_at: Option<i64>,
    pub(crate) cancellation_reason: Option<String>,
    pub(crate) refunds: Vec<Refund>,
}

/// Stripe's states of a payment; the rest of them need what the sandbox does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Succeeded,
    Canceled,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
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

/// Money given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) created: i64,
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
    ) -> Result<(), ApiError> {
        let open = match self.status {
            Status::RequiresPaymentMethod | Status::RequiresConfirmation => true,
            Status::RequiresAction => method.is_some(),
            Status::Succeeded | Status::Canceled => false,
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
            Bank::Approves => self.charge(None),
            Bank::Declines(decline) => self.charge(Some(decline)),
            Bank::Asks { .. } if confirmation.buyer_absent => {
                self.charge(Some(card::AUTHENTICATION_REQUIRED))
            }
            Bank::Asks { .. } => {
                self.status = Status::RequiresAction;
                self.last_error = None;
                Ok(())
            }
        }
    }

    /// The buyer has proved who they are, or has failed to.
    pub(crate) fn authenticate(&mut self, approved: bool) -> Result<(), ApiError> {
        if self.status != Status::RequiresAction {
            return Err(ApiError::unexpected_state("authenticate", self.status));
        }
        if approved {
            let bank = self.method.as_ref().and_then(Method::card).map(|card| card.bank);
            let then = match bank {
                Some(Bank::Asks { then }) => then,
                Some(Bank::Declines(decline)) => Some(decline),
                Some(Bank::Approves) | None => None,
            };
            // A decline after the buyer was asked is no error of the request: it shows in the state.
            return self.charge(then).or(Ok(()));
        }
        let error = ApiError::refused(
            "payment_intent_authentication_failure",
            "the buyer did not prove to be the owner of the card",
        );
        self.fail(error);
        Ok(())
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
            Status::Succeeded | Status::Canceled => {
                Err(ApiError::unexpected_state("cancel", self.status))
            }
        }
    }

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
        let id = new_id("re");
        let reason = reason.map(str::to_owned);
        self.refunds.push(Refund { id: id.clone(), amount, reason, metadata, created: now });
        Ok(id)
    }

    pub(crate) fn refunded(&self) -> i64 {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }

    fn charge(&mut self, decline: Option<Decline>) -> Result<(), ApiError> {
        self.charge = Some(new_id("ch"));
        if let Some(decline) = decline {
            let error = ApiError::declined(decline);
            self.fail(error.clone());
            return Err(error);
        }
        self.status = Status::Succeeded;
        self.last_error = None;
        Ok(())
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
