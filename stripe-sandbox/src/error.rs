//! Refusals in Stripe's form: a status, a type, a code.

use serde::{Deserialize, Serialize};

use crate::card::Decline;
use crate::intent::Status;

/// A refusal. Stored with the idempotency key where Stripe keeps the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) kind: Kind,
    pub(crate) code: Option<String>,
    pub(crate) decline_code: Option<String>,
    pub(crate) message: String,
    /// The parameter at fault.
    pub(crate) param: Option<String>,
    /// Whether the payment goes along with the refusal, as it does once work on it has begun.
    pub(crate) with_intent: bool,
}

/// Stripe's `type` of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    #[serde(rename = "api_error")]
    Api,
    #[serde(rename = "card_error")]
    Card,
    #[serde(rename = "idempotency_error")]
    Idempotency,
    #[serde(rename = "invalid_request_error")]
    InvalidRequest,
}

impl ApiError {
    fn new(status: u16, kind: Kind, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            code: None,
            decline_code: None,
            message: message.into(),
            param: None,
            with_intent: false,
        }
    }

    pub(crate) fn unauthorized() -> Self {
        let message = "a secret test key is needed: `Authorization: Bearer sk_test_…`, or the key \
                       as the user of basic authentication";
        Self::new(401, Kind::InvalidRequest, message)
    }

    /// A parameter is missing or wrong.
    pub(crate) fn invalid(param: &str, code: &str, message: impl Into<String>) -> Self {
        Self {
            code: Some(code.to_owned()),
            param: Some(param.to_owned()),
            ..Self::new(400, Kind::InvalidRequest, message)
        }
    }

    /// The payment in the address is not known here.
    pub(crate) fn no_such_intent(id: &str) -> Self {
        let message = format!("no such payment_intent: '{id}'");
        Self { status: 404, ..Self::invalid("intent", "resource_missing", message) }
    }

    /// What the address names is not known here.
    pub(crate) fn no_such(what: &str, id: &str) -> Self {
        let message = format!("no such {what}: '{id}'");
        Self { status: 404, ..Self::invalid("id", "resource_missing", message) }
    }

    /// The payment's state does not allow it.
    pub(crate) fn unexpected_state(verb: &str, status: Status) -> Self {
        let message = format!("cannot {verb} a payment_intent with status {}", status.as_str());
        Self {
            code: Some("payment_intent_unexpected_state".to_owned()),
            with_intent: true,
            ..Self::new(400, Kind::InvalidRequest, message)
        }
    }

    pub(crate) fn refused(code: &str, message: impl Into<String>) -> Self {
        Self { code: Some(code.to_owned()), ..Self::new(400, Kind::InvalidRequest, message) }
    }

    pub(crate) fn declined(decline: Decline) -> Self {
        Self {
            code: Some(decline.code.to_owned()),
            decline_code: Some(decline.decline_code.to_owned()),
            with_intent: true,
            ..Self::new(402, Kind::Card, decline.message)
        }
    }

    pub(crate) fn key_reused() -> Self {
        let message = "this idempotency key was used before, with other parameters or elsewhere";
        Self::new(400, Kind::Idempotency, message)
    }

    pub(crate) fn rate_limit() -> Self {
        Self {
            code: Some("rate_limit".to_owned()),
            ..Self::new(429, Kind::InvalidRequest, "too many requests (injected)")
        }
    }

    pub(crate) fn internal(message: &str) -> Self {
        Self::new(500, Kind::Api, message)
    }
}
