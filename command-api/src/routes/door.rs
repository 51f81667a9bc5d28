//! Paying at the door: there the seller is the bank, and says here what has happened.

use std::time::Duration;

use axum::Json;
use axum::extract::State as Extract;
use domain::id::{OrderId, PaymentId, RefundId};
use domain::order::{OrderPlaced, OrderRejection, Status};
use domain::payment::{AT_THE_DOOR, Outcome, PaymentCommand, ProviderResult, RefundResult};
use domain::{Cause, Order, Payment, Revision};
use eventlog::Loaded;
use serde::Serialize;
use utoipa::ToSchema;
use web::wire::Price;
use web::{ApiError, IfMatch, PathId, RequestCause, SignedIn, Written};

use super::refunds::sold_by;
use crate::refusal::{Refusal, not_executed, not_logged};
use crate::state::State;
use crate::step::step;

/// How long an answer waits for the order, or for the refund to have begun.
const WAIT: Duration = Duration::from_secs(2);
const ONLY_THE_SELLER: &str = "Only the seller can say what was paid at the door";

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DoorAnswer)]
pub(super) struct Answer {
    /// Of the payment.
    #[schema(value_type = Uuid)]
    id: PaymentId,
    #[schema(value_type = Uuid)]
    order_id: OrderId,
    /// In major units.
    #[schema(value_type = f64, example = 19.99)]
    amount: Price,
    /// ISO 4217, in lower case.
    #[schema(example = "usd")]
    currency: String,
}

/// Say that an order was paid at the door
///
/// The seller of the ticket, once the buyer has chosen to pay at the door (`token` is `door`) and
/// has paid. The order is `complete` from now on. Refused when the order's time was over before.
#[utoipa::path(
    post, path = "/api/orders/{id}/door-payment", tag = "payments",
    params(("id" = Uuid, Path, description = "The order")),
    responses((status = 200, description = "Paid", body = Answer, headers(("ETag" = String)))),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn received(
    Extract(state): Extract<State>,
    SignedIn(session): SignedIn,
    PathId(id): PathId<OrderId>,
    IfMatch(expected): IfMatch,
    cause: RequestCause,
) -> Result<(Written, Json<Answer>), ApiError> {
    let cause = cause.by(Some(session.account));
    let (order, terms) = sold_by(&state, &id, session.account, ONLY_THE_SELLER).await?;
    check_unchanged(&order, expected)?;
    let payment = match order.state.status() {
        Some(Status::AwaitingPayment { payment } | Status::Complete { payment }) => *payment,
        Some(Status::Expired) => return Err(OrderRejection::Expired.answer()),
        Some(Status::Cancelled) => return Err(OrderRejection::Cancelled.answer()),
        Some(Status::Created | Status::Refunding { .. } | Status::Refunded { .. }) | None => {
            return Err(not_at_the_door());
        }
    };
    let known = at_the_door(&state, payment).await?;
    if known.state.outcome() == Some(&Outcome::Voided) {
        return Err(OrderRejection::Expired.answer());
    }
    let result = ProviderResult::Captured { provider_ref: AT_THE_DOOR.to_owned() };
    let command = PaymentCommand::RecordResult(result);
    let taking = step(&cause, "door-payment");
    let taken = state.log.execute::<Payment>(&payment, command, &taking).await;
    let taken = taken.map_err(not_executed)?;
    let waits = Status::AwaitingPayment { payment };
    let follows = |order: &Order| order.status() != Some(&waits);
    let order = state.log.wait_until::<Order>(&id, WAIT, follows).await;
    let position = order.map_err(|error| not_logged(&error))?.position.max(taken.position);
    Ok((state.web.written(position, taken.revision), answer(id, payment, &terms)))
}

/// Say that the money of an order was given back at the door
///
/// The seller, after having asked for the refund and having given the money back. The order is
/// `refunded` then, and its units are on sale again.
#[utoipa::path(
    post, path = "/api/orders/{id}/door-refund", tag = "payments",
    params(("id" = Uuid, Path, description = "The order")),
    responses((status = 200, description = "Given back", body = Answer, headers(("ETag" = String)))),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn returned(
    Extract(state): Extract<State>,
    SignedIn(session): SignedIn,
    PathId(id): PathId<OrderId>,
    IfMatch(expected): IfMatch,
    cause: RequestCause,
) -> Result<(Written, Json<Answer>), ApiError> {
    let cause = cause.by(Some(session.account));
    let (order, terms) = sold_by(&state, &id, session.account, ONLY_THE_SELLER).await?;
    check_unchanged(&order, expected)?;
    // Of the order itself, or of money that came when the order could not have it any more.
    let asked = match order.state.status() {
        Some(Status::Refunding { payment, refund } | Status::Refunded { payment, refund }) => {
            Some((*payment, Some(*refund)))
        }
        Some(_) | None => order.state.turned_away().next().map(|payment| (payment, None)),
    };
    let (payment, refund) =
        asked.ok_or_else(|| ApiError::bad_request("Ask for the refund of the order first"))?;
    at_the_door(&state, payment).await?;
    let returned = give_back(&state, payment, refund, &cause).await?;
    let waits = |order: &Order| !matches!(order.status(), Some(Status::Refunding { .. }));
    let order = state.log.wait_until::<Order>(&id, WAIT, waits).await;
    let position = order.map_err(|error| not_logged(&error))?.position.max(returned.position);
    Ok((state.web.written(position, returned.revision), answer(id, payment, &terms)))
}

/// The order is what the request was written for, if it says so.
fn check_unchanged(order: &Loaded<Order>, expected: Option<Revision>) -> Result<(), ApiError> {
    if expected.is_some() && expected != order.revision {
        return Err(ApiError::precondition_failed());
    }
    Ok(())
}

/// The one refund that is meant, or whichever the payment has, is at the buyer after this.
async fn give_back(
    state: &State,
    payment: PaymentId,
    refund: Option<RefundId>,
    cause: &Cause,
) -> Result<Loaded<Payment>, ApiError> {
    let begun = |payment: &Payment| match refund {
        Some(refund) => payment.refund(refund).map(|_| refund),
        None => payment.refunds().next(),
    };
    // The process that begins it may be a moment behind.
    let known = state.log.wait_until::<Payment>(&payment, WAIT, |it| begun(it).is_some()).await;
    let known = known.map_err(|error| not_logged(&error))?;
    let Some(refund) = begun(&known.state) else {
        return Err(ApiError::conflict("The refund has not begun yet, please try again"));
    };
    let result = RefundResult::Succeeded { provider_ref: AT_THE_DOOR.to_owned() };
    let command = PaymentCommand::RecordRefund { refund, result };
    let giving = step(cause, "door-refund");
    let given = state.log.execute::<Payment>(&payment, command, &giving).await;
    let given = given.map_err(not_executed)?;
    Ok(Loaded { state: given.state, revision: given.revision, position: given.position })
}

async fn at_the_door(state: &State, payment: PaymentId) -> Result<Loaded<Payment>, ApiError> {
    let known = state.log.load::<Payment>(&payment).await.map_err(|error| not_logged(&error))?;
    match known.state.intent() {
        Some(intent) if intent.source == AT_THE_DOOR => Ok(known),
        Some(_) | None => Err(not_at_the_door()),
    }
}

fn not_at_the_door() -> ApiError {
    ApiError::bad_request("This order is not one to be paid at the door")
}

fn answer(order_id: OrderId, id: PaymentId, terms: &OrderPlaced) -> Json<Answer> {
    let currency = terms.total.currency.code();
    Json(Answer { id, order_id, amount: Price(terms.total), currency })
}
