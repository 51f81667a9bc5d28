//! Paying for orders.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::id::{AccountId, OrderId, PaymentId};
use domain::order::{OrderCommand, OrderRejection, Status};
use domain::payment::{AT_THE_DOOR, Outcome, PaymentCommand, PaymentInitiated};
use domain::{Cause, Order, Payment, Position, Revision};
use serde::Serialize;
use utoipa::ToSchema;
use web::{ApiError, Command, NoVersion, SignedIn};

use crate::bodies::PaymentRequest;
use crate::refusal::{Refusal, not_executed, not_logged, not_sealed};
use crate::state::{Extract, State};
use crate::step::{derived, step};

/// How long an answer waits for the order to follow its payment.
const ORDER_WAIT: Duration = Duration::from_secs(2);
/// The longest token of the provider, in bytes.
const TOKEN_BYTES_MAX: usize = 255;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Payment)]
pub(super) struct Answer {
    #[schema(value_type = Uuid)]
    id: PaymentId,
    /// `initiated` or `action_required` while it is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// With this the buyer's browser goes on, by Stripe's own script.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

/// Pay for an order
///
/// 201 when the money is taken; 202 when the bank wants more or has not decided: the same request
/// under the same `Idempotency-Key` then tells how it stands. With `door` for a token the buyer pays
/// at the door: it is 202 until the seller says that it was paid, and called off when the order's
/// time is over.
//
// Puts the intent into the log and waits for the payment process, the only one that talks to the
// provider, to record what came of it.
#[utoipa::path(
    post, path = "/api/payments", tag = "payments",
    request_body = PaymentRequest,
    responses(
        (status = 201, description = "Paid", body = Answer, headers(("ETag" = String))),
        (status = 202, description = "Under way", body = Answer, headers(("ETag" = String))),
        (status = 402),
        (status = 404),
    ),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn pay(
    Extract(state): Extract,
    SignedIn(session): SignedIn,
    _: NoVersion,
    Command { mut fields, cause }: Command,
) -> Result<Response, ApiError> {
    let source = fields.text("token", parse_token);
    let order = fields
        .text("orderId", |text| text.parse::<OrderId>().map_err(|_| "OrderId must be provided"));
    let (Some(source), Some(order)) = (source, order) else { return Err(fields.refused()) };
    let cause = cause.by(Some(session.account));
    let id = PaymentId(derived(&cause, "payment"));
    let wish = Wish { id, order, buyer: session.account, source };

    let position = initiate(&state, &wish, &cause).await?;
    let decided = |payment: &Payment| payment.outcome() != Some(&Outcome::Undecided);
    // At the door nothing is decided while a request waits.
    let patience = if wish.source == AT_THE_DOOR { Duration::ZERO } else { state.payment_wait };
    let payment = state.log.wait_until::<Payment>(&id, patience, decided).await;
    let payment = payment.map_err(|error| not_logged(&error))?;
    let position = payment.position.max(position);
    let outcome = payment.state.outcome();
    // What came later, such as a refund, is not what this request made.
    let first = state.log.first::<Payment>(&id, |then| then.outcome() == outcome).await;
    let revision = first.map_err(|error| not_logged(&error))?.revision;
    answer(&state, &wish, outcome, position, revision).await
}

struct Wish {
    id: PaymentId,
    order: OrderId,
    buyer: AccountId,
    source: String,
}

/// The intent is in the log after this, once, however often the request is made.
async fn initiate(state: &State, wish: &Wish, cause: &Cause) -> Result<Option<Position>, ApiError> {
    let Wish { id, order, buyer, ref source } = *wish;
    if let Some(position) = initiated_before(state, wish).await? {
        return Ok(Some(position));
    }
    let start = OrderCommand::StartPayment { payment: id, by: buyer, now: cause.now };
    let started = state.log.execute::<Order>(&order, start, &step(cause, "start")).await;
    let started = started.map_err(not_executed)?.state;
    if started.status() != Some(&Status::AwaitingPayment { payment: id }) {
        // This request has been made before. Either it got further meanwhile, or it stopped here
        // and the payment process has freed the order for another attempt.
        let before = initiated_before(state, wish).await?;
        let given_up = || ApiError::conflict("This payment was given up, please start another one");
        return before.map(Some).ok_or_else(given_up);
    }
    let terms = started.terms().ok_or_else(|| OrderRejection::NotFound.answer())?;
    let intent = PaymentInitiated {
        order,
        buyer,
        amount: terms.total,
        source: source.clone(),
        provider_key: id.to_string(),
    };
    let command = PaymentCommand::Initiate(intent);
    let initiated = state.log.execute::<Payment>(&id, command, &step(cause, "initiate")).await;
    Ok(initiated.map_err(not_executed)?.position)
}

/// Where the intent is in the log, if it is there.
async fn initiated_before(state: &State, wish: &Wish) -> Result<Option<Position>, ApiError> {
    let known = state.log.load::<Payment>(&wish.id).await.map_err(|error| not_logged(&error))?;
    let Some(intent) = known.state.intent() else { return Ok(None) };
    let same =
        intent.order == wish.order && intent.buyer == wish.buyer && intent.source == wish.source;
    if same { Ok(known.position) } else { Err(ApiError::key_reused()) }
}

async fn answer(
    state: &State,
    wish: &Wish,
    outcome: Option<&Outcome>,
    position: Option<Position>,
    revision: Option<Revision>,
) -> Result<Response, ApiError> {
    let plain = Answer { id: wish.id, status: None, client_secret: None };
    match outcome {
        Some(Outcome::Captured { .. }) => {
            let position = order_follows(state, wish).await?.max(position);
            let written = state.web.written(position, revision);
            Ok((StatusCode::CREATED, written, Json(plain)).into_response())
        }
        Some(outcome @ Outcome::ActionRequired { client_secret, .. }) => {
            let secret = state.vault.open(wish.buyer, "client_secret", client_secret).await;
            let client_secret = Some(secret.map_err(|error| not_sealed(&error))?);
            let answer = Answer { status: Some(outcome.as_str()), client_secret, ..plain };
            let written = state.web.written(position, revision);
            Ok((StatusCode::ACCEPTED, written, Json(answer)).into_response())
        }
        Some(Outcome::Failed { code, .. }) => {
            order_follows(state, wish).await?;
            Err(ApiError::payment_required("The payment was declined", code))
        }
        Some(Outcome::Voided) => {
            let order = state.log.load::<Order>(&wish.order).await;
            let order = order.map_err(|error| not_logged(&error))?.state;
            Err(why_called_off(order.status()).answer())
        }
        Some(Outcome::Undecided) | None => {
            let status = Some(Outcome::Undecided.as_str());
            let written = state.web.written(position, revision);
            Ok((StatusCode::ACCEPTED, written, Json(Answer { status, ..plain })).into_response())
        }
    }
}

/// Waits until the order no longer waits for this payment, so that whoever reads it next sees it
/// paid, or can pay it in another way.
async fn order_follows(state: &State, wish: &Wish) -> Result<Option<Position>, ApiError> {
    let waits = Status::AwaitingPayment { payment: wish.id };
    let follows = |order: &Order| order.status() != Some(&waits);
    let order = state.log.wait_until::<Order>(&wish.order, ORDER_WAIT, follows).await;
    Ok(order.map_err(|error| not_logged(&error))?.position)
}

/// A payment is called off only when its order ends first.
fn why_called_off(order: Option<&Status>) -> OrderRejection {
    match order {
        Some(Status::Cancelled) => OrderRejection::Cancelled,
        Some(Status::Complete { .. } | Status::Refunding { .. } | Status::Refunded { .. }) => {
            OrderRejection::AlreadyPaid
        }
        Some(Status::Created | Status::AwaitingPayment { .. } | Status::Expired) | None => {
            OrderRejection::Expired
        }
    }
}

/// Only the form: whether there is money behind it, the provider says.
fn parse_token(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let known = text.starts_with("tok_") || text.starts_with("pm_");
    match text {
        "" => Err("Token must be provided"),
        AT_THE_DOOR => Ok(text.to_owned()),
        text if plain && known && text.len() <= TOKEN_BYTES_MAX => Ok(text.to_owned()),
        _ => Err("Token must be a token (tok_…) or a payment method (pm_…) of Stripe, or door"),
    }
}
