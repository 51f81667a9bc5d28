//! Giving money back, once.
//!
//! Each refund carries our name of it, so whoever does not know whether it was made looks first.
//! Of two who look at once and find nothing, the second is stopped: all that a payment took can be
//! given back only once by nature, and a part of it goes under an idempotency key.

use std::collections::HashMap;

use stripe::{Client, StripeRequest};
use stripe_core::Refund;
use stripe_core::refund::{CreateRefund, ListRefund};

use super::{Failure, amount, idempotent};
use crate::gateway::{GatewayError, Repayment};

/// The metadata entry that names our refund.
pub(super) const REFUND: &str = "refund";
/// Of one payment; Stripe lists no more at once.
const REFUNDS_MAX: i64 = 100;

pub(super) async fn refund(client: &Client, repayment: &Repayment) -> Result<String, GatewayError> {
    if let Some(made) = find(client, repayment).await? {
        return ending(made);
    }
    let request = CreateRefund::new()
        .payment_intent(repayment.provider_ref.as_str())
        .amount(amount(repayment.amount)?)
        .metadata(HashMap::from([(REFUND.to_owned(), repayment.key.clone())]))
        .customize();
    // A 500 that Stripe keeps under a key must not stand in the way where no key is needed.
    let request = if repayment.amount == repayment.captured {
        request
    } else {
        request.request_strategy(idempotent(&repayment.key, "refund")?)
    };
    match request.send(client).await.map_err(Failure::from) {
        Ok(made) => ending(made),
        // It may have worked all the same, for us or for another who was faster.
        Err(failure @ (Failure::Unclear { .. } | Failure::Refused { .. })) => {
            match find(client, repayment).await? {
                Some(made) => ending(made),
                None => Err(failure.into()),
            }
        }
        Err(failure) => Err(failure.into()),
    }
}

async fn find(client: &Client, repayment: &Repayment) -> Result<Option<Refund>, GatewayError> {
    let list = ListRefund::new()
        .payment_intent(repayment.provider_ref.as_str())
        .limit(REFUNDS_MAX)
        .send(client)
        .await;
    let mut made = list.map_err(Failure::from)?.data;
    let is_it = |made: &Refund| {
        let named = made.metadata.as_ref().and_then(|metadata| metadata.get(REFUND));
        named.is_some_and(|name| *name == repayment.key)
    };
    if let Some(place) = made.iter().position(is_it) {
        return Ok(Some(made.swap_remove(place)));
    }
    // Somebody gave just this back by hand: then there is nothing left to give.
    let by_hand = made.len() == 1 && repayment.amount == repayment.captured;
    let wanted = amount(repayment.amount)?;
    Ok(made.pop().filter(|made| by_hand && made.amount == wanted))
}

fn ending(made: Refund) -> Result<String, GatewayError> {
    match made.status.as_deref() {
        Some("failed" | "canceled") => {
            let code = made.failure_reason.unwrap_or_else(|| "refund_failed".to_owned());
            let reason = "the bank does not take the money back".to_owned();
            Err(GatewayError::Refused { code, reason })
        }
        // What is pending is on its way.
        Some(_) | None => Ok(made.id.to_string()),
    }
}
