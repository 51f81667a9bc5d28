//! The JSON that leaves the sandbox: Stripe's shapes, with the fields its typed clients ask for.

use serde_json::{Value, json};

use crate::PaymentView;
use crate::error::ApiError;
use crate::intent::dispute::Dispute;
use crate::intent::movement::Movement;
use crate::intent::refund::{Refund, RefundState};
use crate::intent::{Attempt, Intent, Method, Status};
use crate::news::{About, Event};

/// The version of Stripe's interface that these shapes are of.
const API_VERSION: &str = "2026-09-30.endive";
/// How long a shop has to answer a dispute.
const ANSWER_SECONDS: i64 = 7 * 24 * 60 * 60;

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
    let failed = refund.state == RefundState::Failed;
    let pending = refund.state == RefundState::Pending;
    json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": intent.movement_of(&refund.id).map(|movement| movement.id),
        "charge": intent.charge,
        "created": refund.created,
        "currency": intent.currency,
        "failure_reason": failed.then_some("expired_or_canceled_card"),
        "metadata": refund.metadata,
        "payment_intent": intent.id,
        "pending_reason": pending.then_some("processing"),
        "reason": refund.reason,
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": refund.state.as_str(),
        "transfer_reversal": null,
    })
}

pub(crate) fn charge_by_id(intent: &Intent, id: &str) -> Option<Value> {
    let attempt = intent.attempts.iter().find(|attempt| attempt.id == id)?;
    Some(charge(intent, attempt))
}

pub(crate) fn charge(intent: &Intent, attempt: &Attempt) -> Value {
    let paid = attempt.error.is_none();
    let (captured, refunded) = if paid { (intent.amount, intent.refunded()) } else { (0, 0) };
    let decline = attempt.error.as_ref();
    json!({
        "id": attempt.id,
        "object": "charge",
        "amount": intent.amount,
        "amount_captured": captured,
        "amount_refunded": refunded,
        "application": null,
        "application_fee": null,
        "application_fee_amount": null,
        "balance_transaction": intent.movement_of(&attempt.id).map(|movement| movement.id),
        "billing_details": billing_details(),
        "calculated_statement_descriptor": null,
        "captured": paid,
        "created": attempt.created,
        "currency": intent.currency,
        "customer": null,
        "description": intent.description,
        "disputed": paid && !intent.disputes.is_empty(),
        "failure_balance_transaction": null,
        "failure_code": decline.and_then(|error| error.code.as_ref()),
        "failure_message": decline.map(|error| &error.message),
        "fraud_details": {},
        "livemode": false,
        "metadata": intent.metadata,
        "on_behalf_of": null,
        "outcome": null,
        "paid": paid,
        "payment_intent": intent.id,
        "payment_method": attempt.method.as_ref().map(|method| &method.id),
        "payment_method_details": null,
        "receipt_email": null,
        "receipt_number": null,
        "receipt_url": null,
        "refunded": paid && refunded == intent.amount,
        "review": null,
        "shipping": null,
        "source_transfer": null,
        "statement_descriptor": null,
        "statement_descriptor_suffix": null,
        "status": if paid { "succeeded" } else { "failed" },
        "transfer_data": null,
        "transfer_group": null,
    })
}

pub(crate) fn dispute(intent: &Intent, dispute: &Dispute) -> Value {
    let moved = intent.movement_of(&dispute.id);
    let moved: Vec<_> = moved.iter().map(|moved| movement(intent, moved)).collect();
    json!({
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount,
        "balance_transactions": moved,
        "charge": intent.charge,
        "created": dispute.created,
        "currency": intent.currency,
        "enhanced_eligibility_types": [],
        "evidence": { "enhanced_evidence": {} },
        "evidence_details": {
            "due_by": dispute.created + ANSWER_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": false,
            "past_due": false,
            "submission_count": 0,
        },
        "is_charge_refundable": false,
        "livemode": false,
        "metadata": {},
        "network_reason_code": null,
        "payment_intent": intent.id,
        "payment_method_details": null,
        "reason": dispute.reason,
        "status": dispute.state.as_str(),
    })
}

pub(crate) fn movement(intent: &Intent, movement: &Movement) -> Value {
    let details = json!({
        "amount": movement.fee,
        "application": null,
        "currency": intent.currency,
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    });
    json!({
        "id": movement.id,
        "object": "balance_transaction",
        "amount": movement.amount,
        "available_on": movement.created,
        "balance_type": "payments",
        "created": movement.created,
        "currency": intent.currency,
        "description": null,
        "exchange_rate": null,
        "fee": movement.fee,
        "fee_details": if movement.fee == 0 { json!([]) } else { json!([details]) },
        "net": movement.amount - movement.fee,
        "reporting_category": movement.kind.category(),
        "source": movement.source,
        "status": "available",
        "type": movement.kind.as_str(),
    })
}

pub(crate) fn event(event: &Event) -> Value {
    let intent = &*event.intent;
    let object = match &event.news.about {
        About::Intent => self::intent(intent),
        About::Charge(id) => json!(charge_by_id(intent, id)),
        About::Refund(id) => {
            let found = intent.refunds.iter().find(|refund| refund.id == *id);
            json!(found.map(|found| refund(intent, found)))
        }
        About::Dispute(id) => {
            let found = intent.disputes.iter().find(|dispute| dispute.id == *id);
            json!(found.map(|found| dispute(intent, found)))
        }
    };
    json!({
        "id": event.news.id,
        "object": "event",
        "account": null,
        "api_version": API_VERSION,
        "created": event.at,
        "data": { "object": object },
        "livemode": false,
        "pending_webhooks": u8::from(!event.is_delivered()),
        "request": { "id": null, "idempotency_key": null },
        "type": event.news.kind,
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
        disputed: intent.disputed(),
        fees: intent.fees(),
        created: intent.created,
        captured_at: intent.captured_at(),
        canceled_at: intent.canceled_at,
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
        "billing_details": billing_details(),
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

fn billing_details() -> Value {
    json!({ "address": null, "email": null, "name": null, "phone": null, "tax_id": null })
}
