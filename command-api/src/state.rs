//! What the routes work with.

use std::time::Duration;

use axum::extract::FromRef;
use eventlog::{EventLog, Vault};
use web::Web;

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

impl FromRef<State> for Web {
    fn from_ref(state: &State) -> Self {
        state.web.clone()
    }
}
