//! All that Stripe knows of one payment.

use stripe::{Client, StripeError};
use stripe_core::balance_transaction::ListBalanceTransaction;
use stripe_core::dispute::ListDispute;
use stripe_core::payment_intent::RetrievePaymentIntent;
use stripe_core::refund::ListRefund;
use stripe_core::{BalanceTransaction, DisputeStatus, PaymentIntentStatus};

use super::refund::REFUND;
use super::{Failure, PAYMENT, money};
use crate::gateway::{
    Dispute, DisputeState, Fee, GatewayError, Refund, RefundState, Statement, Taken,
};

/// Of one payment; Stripe lists no more at once.
const PARTS_MAX: i64 = 100;

pub(super) async fn statement(
    client: &Client,
    provider_ref: &str,
) -> Result<Option<Statement>, GatewayError> {
    let intent = match RetrievePaymentIntent::new(provider_ref).send(client).await {
        Ok(intent) => intent,
        Err(StripeError::Stripe(_, 404)) => return Ok(None),
        Err(error) => return Err(Failure::from(error).into()),
    };
    // What does not carry our name was not made by us.
    let Some(key) = intent.metadata.get(PAYMENT).cloned() else { return Ok(None) };
    let taken = if intent.status == PaymentIntentStatus::Succeeded {
        Taken::Captured(money(intent.amount_received, &intent.currency))
    } else if intent.status == PaymentIntentStatus::Canceled {
        Taken::Voided
    } else {
        Taken::Open
    };
    // Of money that was never taken none goes back.
    if !matches!(taken, Taken::Captured(_)) {
        let (refunds, disputes, fees) = (Vec::new(), Vec::new(), Vec::new());
        return Ok(Some(Statement { key, taken, refunds, disputes, fees }));
    }
    let refunds = refunds(client, provider_ref).await?;
    let (disputes, mut fees) = disputes(client, provider_ref).await?;
    if let Some(charge) = &intent.latest_charge {
        fees.extend(fees_of(client, charge.id().as_str()).await?);
    }
    Ok(Some(Statement { key, taken, refunds, disputes, fees }))
}

/// Asked for by themselves: the charge with all that hangs on it is no concern of ours.
async fn fees_of(client: &Client, charge: &str) -> Result<Vec<Fee>, GatewayError> {
    let list = ListBalanceTransaction::new().source(charge).limit(PARTS_MAX).send(client).await;
    Ok(list.map_err(Failure::from)?.data.iter().map(fee).collect())
}

fn fee(moved: &BalanceTransaction) -> Fee {
    Fee { provider_ref: moved.id.to_string(), amount: money(moved.fee, &moved.currency) }
}

async fn refunds(client: &Client, provider_ref: &str) -> Result<Vec<Refund>, GatewayError> {
    let list = ListRefund::new().payment_intent(provider_ref).limit(PARTS_MAX).send(client).await;
    let refunds = list.map_err(Failure::from)?.data.into_iter().map(|made| Refund {
        provider_ref: made.id.to_string(),
        key: made.metadata.and_then(|mut metadata| metadata.remove(REFUND)),
        amount: money(made.amount, &made.currency),
        state: match made.status.as_deref() {
            Some("failed" | "canceled") => RefundState::Failed,
            Some(_) | None => RefundState::Gone,
        },
    });
    Ok(refunds.collect())
}

/// And what each cost.
async fn disputes(
    client: &Client,
    provider_ref: &str,
) -> Result<(Vec<Dispute>, Vec<Fee>), GatewayError> {
    let list = ListDispute::new().payment_intent(provider_ref).limit(PARTS_MAX).send(client).await;
    let made = list.map_err(Failure::from)?.data;
    let fees = made.iter().flat_map(|made| made.balance_transactions.iter().map(fee)).collect();
    let disputes = made.into_iter().filter_map(|made| {
        Some(Dispute {
            state: state(&made.status)?,
            provider_ref: made.id.to_string(),
            amount: money(made.amount, &made.currency),
            reason: made.reason,
        })
    });
    Ok((disputes.collect(), fees))
}

/// None: the bank only asks, and has taken no money back.
fn state(status: &DisputeStatus) -> Option<DisputeState> {
    match status.as_str() {
        "needs_response" | "under_review" => Some(DisputeState::Open),
        "won" => Some(DisputeState::Won),
        "lost" => Some(DisputeState::Lost),
        _ => None,
    }
}
