//! Giving back all that a payment took.

use std::collections::HashMap;

use stripe::Client;
use stripe_core::refund::CreateRefund;

use super::Failure;
use crate::gateway::GatewayError;

/// The metadata entry that names our refund.
const REFUND: &str = "refund";
const ALREADY_REFUNDED: &str = "charge_already_refunded";

/// Asks without an idempotency key and without an amount: what is left to be given back is given
/// back once by nature, and a 500 that Stripe keeps under a key must not stand in the way.
pub(super) async fn refund(
    client: &Client,
    provider_ref: &str,
    key: &str,
) -> Result<String, GatewayError> {
    let made = CreateRefund::new()
        .payment_intent(provider_ref)
        .metadata(HashMap::from([(REFUND.to_owned(), key.to_owned())]))
        .send(client)
        .await;
    match made.map_err(Failure::from) {
        Ok(refund) => match refund.status.as_deref() {
            Some("failed" | "canceled") => {
                let code = refund.failure_reason.unwrap_or_else(|| "refund_failed".to_owned());
                let reason = "the bank does not take the money back".to_owned();
                Err(GatewayError::Refused { code, reason })
            }
            // What is pending is on its way.
            Some(_) | None => Ok(refund.id.to_string()),
        },
        // Its name went with the answer that was lost; the payment leads to it.
        Err(Failure::Refused { code, .. }) if code == ALREADY_REFUNDED => {
            Ok(provider_ref.to_owned())
        }
        Err(failure) => Err(failure.into()),
    }
}
