//! The JSON that leaves the sandbox: Stripe's shapes, with the fields its typed clients ask for.

use serde_json::{Value, json};

use crate::PaymentView;
use crate::error::ApiError;
use crate::intent::{Intent, Method, Refund, Status};

pub(crate) fn intent(intent: &Intent) -> Value {
    let received = if intent.status == Status::Succeeded { intent.amount } else { 0 };
    json!({
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_capturable": 0,
        "amount_received": received,
        "application": null,
        "application_fee_amount": null,
        "automatic_payment_methods": null,
        "canceled_at": intent.canceled_at,
        "cancellation_reason": intent.cancellation_reason,
        "capture_method": "automatic",
        "client_secret": intent.client_secret,
        "confirmation_method": "automatic",
        "created": intent.created,
        "currency": intent.currency,
        "customer": null,
        "description": intent.description,
        "last_payment_error": last_error(intent),
        "latest_charge": intent.charge,
        "livemode": false,
        "metadata": intent.metadata,
        "next_action": next_action(intent),
        "on_behalf_of": null,
        "payment_method": intent.method.as_ref().map(|method| &method.id),
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": null,
        "receipt_email": null,
        "review": null,
        "setup_future_usage": null,
        "shipping": null,
        "source": null,
        "statement_descriptor": null,
        "statement_descriptor_suffix": null,
        "status": intent.status.as_str(),
        "transfer_data": null,
        "transfer_group": null,
    })
}

pub(crate) fn refund(intent: &Intent, refund: &Refund) -> Value {
    json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": null,
        "charge": intent.charge,
        "created": refund.created,
        "currency": intent.currency,
        "metadata": refund.metadata,
        "payment_intent": intent.id,
        "reason": refund.reason,
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": "succeeded",
        "transfer_reversal": null,
    })
}

pub(crate) fn refunds((of, limit): (Intent, usize)) -> Value {
    let newest_first = of.refunds.iter().rev().take(limit);
    json!({
        "object": "list",
        "url": "/v1/refunds",
        "has_more": of.refunds.len() > limit,
        "data": newest_first.map(|made| refund(&of, made)).collect::<Vec<_>>(),
    })
}

pub(crate) fn search<'a>(found: impl Iterator<Item = &'a Intent>) -> Value {
    json!({
        "object": "search_result",
        "url": "/v1/payment_intents/search",
        "has_more": false,
        "next_page": null,
        "data": found.map(intent).collect::<Vec<_>>(),
    })
}

/// The body of a refusal, with the payment it is about where Stripe shows it.
pub(crate) fn error(error: &ApiError, about: Option<&Intent>) -> Value {
    let mut body = json!({ "type": error.kind, "message": error.message });
    if let Some(code) = &error.code {
        body["code"] = json!(code);
    }
    if let Some(code) = &error.decline_code {
        body["decline_code"] = json!(code);
    }
    if let Some(param) = &error.param {
        body["param"] = json!(param);
    }
    if let Some(about) = about.filter(|_| error.with_intent) {
        body["payment_intent"] = intent(about);
        if error.decline_code.is_some() {
            body["charge"] = json!(about.charge);
            let failed = about.last_error.as_ref().and_then(|last| last.method.as_ref());
            body["payment_method"] = json!(failed.map(payment_method));
        }
    }
    json!({ "error": body })
}

pub(crate) fn view(intent: &Intent) -> PaymentView {
    PaymentView {
        id: intent.id.clone(),
        idempotency_key: intent.idempotency_key.clone(),
        amount: intent.amount,
        currency: intent.currency.clone(),
        status: intent.status.as_str().to_owned(),
        metadata: intent.metadata.clone(),
        refunded: intent.refunded(),
        created: intent.created,
    }
}

fn last_error(intent: &Intent) -> Value {
    let Some(last) = &intent.last_error else { return Value::Null };
    json!({
        "type": last.error.kind,
        "code": last.error.code,
        "decline_code": last.error.decline_code,
        "message": last.error.message,
        "charge": intent.charge,
        "payment_method": last.method.as_ref().map(payment_method),
    })
}

/// What the buyer's browser has to do; the page of the sandbox stands in for the bank's.
fn next_action(intent: &Intent) -> Value {
    if intent.status != Status::RequiresAction {
        return Value::Null;
    }
    json!({
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {
            "type": "three_d_secure_redirect",
            "stripe_js": format!("/#{}", intent.id),
        },
    })
}

fn payment_method(method: &Method) -> Value {
    let card = method.card();
    json!({
        "id": method.id,
        "object": "payment_method",
        "billing_details": { "address": null, "email": null, "name": null, "phone": null },
        "card": card.map(|card| json!({
            "brand": card.brand,
            "country": "US",
            "exp_month": 12,
            "exp_year": 2050,
            "funding": card.funding,
            "last4": card.last4,
        })),
        "created": method.created,
        "customer": null,
        "livemode": false,
        "metadata": {},
        "type": "card",
    })
}
