//! What the routes work with.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use eventlog::{EventLog, Vault};
use web::{Deadline, Web};

use crate::passwords::Passwords;
use crate::signature::WebhookSecrets;

/// How long an order holds its units, unless somebody says otherwise.
pub const RESERVATION: Duration = Duration::from_secs(15 * 60);
/// How long a payment request waits for the provider's word.
const PAYMENT_WAIT: Duration = Duration::from_secs(15);

/// A router copies it several times for every request, so that there is one count of who has what all
/// have in common: processors that count together wait for each other.
#[derive(Clone)]
pub struct State {
    pub(crate) log: EventLog,
    common: Arc<Common>,
}

/// What is the same for every request.
#[derive(Clone)]
pub struct Common {
    pub(crate) vault: Vault,
    pub(crate) web: Web,
    /// How long an order holds its units.
    pub(crate) reservation: Duration,
    /// How long a payment request waits for the provider's word before it answers "under way".
    pub(crate) payment_wait: Duration,
    /// Of the payment provider; while there are none, its webhooks are not taken.
    pub(crate) webhook_secrets: WebhookSecrets,
    pub(crate) passwords: Passwords,
}

impl State {
    #[must_use]
    pub fn new(log: EventLog, vault: Vault, web: Web) -> Self {
        let common = Common {
            vault,
            web,
            reservation: RESERVATION,
            payment_wait: PAYMENT_WAIT,
            webhook_secrets: WebhookSecrets::default(),
            passwords: Passwords::new(),
        };
        Self { log, common: Arc::new(common) }
    }

    /// How long an order holds its units; [`RESERVATION`] if nothing is said.
    #[must_use]
    pub fn with_reservation(mut self, reservation: Duration) -> Self {
        Arc::make_mut(&mut self.common).reservation = reservation;
        self
    }

    /// Takes the payment provider's webhooks, signed with one of these. Without any, none is taken.
    #[must_use]
    pub fn with_webhook_secrets(mut self, secrets: WebhookSecrets) -> Self {
        Arc::make_mut(&mut self.common).webhook_secrets = secrets;
        self
    }

    /// How long a payment request waits for the provider's word before it answers "under way"; 15 s
    /// if nothing is said.
    #[must_use]
    pub fn with_payment_wait(mut self, wait: Duration) -> Self {
        Arc::make_mut(&mut self.common).payment_wait = wait;
        self
    }
}

impl Deref for State {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.common
    }
}

/// The state for one request: its log waits no longer than whoever asked does.
pub(crate) struct Extract(pub(crate) State);

impl FromRequestParts<State> for Extract {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Infallible> {
        let Deadline(deadline) = Deadline::from_request_parts(parts, state).await?;
        let log = deadline.map_or_else(|| state.log.clone(), |until| state.log.until(until));
        Ok(Self(State { log, common: Arc::clone(&state.common) }))
    }
}

impl FromRef<State> for Web {
    fn from_ref(state: &State) -> Self {
        state.web.clone()
    }
}
