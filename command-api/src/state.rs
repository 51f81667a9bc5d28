//! What the routes work with.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use eventlog::{EventLog, Vault};
use web::{Deadline, Web};

use crate::passwords::Passwords;
use crate::signature::WebhookSecrets;

/// How long a payment request waits for the provider's word.
const PAYMENT_WAIT: Duration = Duration::from_secs(15);

/// Cheap to clone: every request has its own.
#[derive(Clone)]
pub struct State {
    pub log: EventLog,
    pub vault: Vault,
    pub web: Web,
    /// How long an order holds its units.
    pub reservation: Duration,
    /// How long a payment request waits for the provider's word before it answers "under way".
    pub payment_wait: Duration,
    /// Of the payment provider; while there are none, its webhooks are not taken.
    pub webhook_secrets: WebhookSecrets,
    pub(crate) passwords: Passwords,
}

impl State {
    #[must_use]
    pub fn new(log: EventLog, vault: Vault, web: Web, reservation: Duration) -> Self {
        Self {
            log,
            vault,
            web,
            reservation,
            payment_wait: PAYMENT_WAIT,
            webhook_secrets: WebhookSecrets::default(),
            passwords: Passwords::new(),
        }
    }
}

/// The state for one request: its log waits no longer than whoever asked does.
pub(crate) struct Extract(pub(crate) State);

impl FromRequestParts<State> for Extract {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Infallible> {
        let Deadline(deadline) = Deadline::from_request_parts(parts, state).await?;
        let log = deadline.map_or_else(|| state.log.clone(), |until| state.log.until(until));
        Ok(Self(State { log, ..state.clone() }))
    }
}

impl FromRef<State> for Web {
    fn from_ref(state: &State) -> Self {
        state.web.clone()
    }
}
