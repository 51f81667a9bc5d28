//! Giving the money of an order back.

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use domain::id::{AccountId, OrderId, RefundId};
use domain::order::{OrderCommand, OrderPlaced, OrderRejection, Status};
use domain::payment::TakenBack;
use domain::{Order, Payment, Ticket};
use eventlog::{ExecuteError, Loaded};
use serde::Serialize;
use utoipa::ToSchema;
use web::wire::Price;
use web::{ApiError, Command, IfMatch, PathId, SignedIn};

use crate::bodies::RefundRequest;
use crate::refusal::{Refusal, not_executed, not_logged};
use crate::state::{Extract, State};
use crate::step::{derived, first_answer, step};

const REASON_CHARACTERS_MAX: usize = 500;
const ONLY_THE_SELLER: &str = "Only the seller can give the money back";

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Refund)]
pub(super) struct Answer {
    #[schema(value_type = Uuid)]
    id: RefundId,
    #[schema(value_type = Uuid)]
    order_id: OrderId,
    /// In major units.
    #[schema(value_type = f64, example = 19.99)]
    amount: Price,
    /// ISO 4217, in lower case.
    #[schema(example = "usd")]
    currency: String,
}

/// Give the money back
///
/// The seller of the ticket, once the order is paid. The order is `refunding` from now on, and
/// `refunded` when the provider has given the money back; then the units are on sale again. Asked
/// again, the refund is the one that was asked for first.
#[utoipa::path(
    post, path = "/api/orders/{id}/refund", tag = "payments",
    params(("id" = Uuid, Path, description = "The order")),
    request_body(content = RefundRequest, description = "May be left out"),
    responses((status = 202, description = "Asked for", body = Answer, headers(("ETag" = String)))),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn request(
    Extract(state): Extract,
    SignedIn(session): SignedIn,
    PathId(id): PathId<OrderId>,
    IfMatch(expected): IfMatch,
    Command { mut fields, cause }: Command,
) -> Result<impl IntoResponse, ApiError> {
    let reason = fields.optional_text("reason", parse_reason).unwrap_or_default();
    if !fields.all_good() {
        return Err(fields.refused());
    }
    let cause = cause.by(Some(session.account));
    let (order, terms) = sold_by(&state, &id, session.account, ONLY_THE_SELLER).await?;
    check_not_lost(&state, &order.state).await?;

    let refund = RefundId(derived(&cause, "refund"));
    let command = OrderCommand::RequestRefund { refund, amount: terms.total, reason };
    let requesting = step(&cause, "refund");
    let (refund, revision, position) =
        match state.log.execute_if::<Order>(&id, command, &requesting, expected).await {
            Ok(executed) => {
                let executed = first_answer(&state.log, &id, executed).await?;
                (refund, executed.revision, executed.position)
            }
            Err(ExecuteError::Rejected(OrderRejection::OtherRefund)) => {
                // As it was when that was asked for.
                let order = state.log.first::<Order>(&id, |order| refund_of(order).is_some()).await;
                let order = order.map_err(|error| not_logged(&error))?;
                let asked = refund_of(&order.state);
                let asked = asked.ok_or_else(|| OrderRejection::OtherRefund.answer())?;
                (asked, order.revision, order.position)
            }
            Err(error) => return Err(not_executed(error)),
        };
    let answer = Answer {
        id: refund,
        order_id: id,
        amount: Price(terms.total),
        currency: terms.total.currency.code(),
    };
    Ok((StatusCode::ACCEPTED, state.web.written(position, revision), Json(answer)))
}

/// The order with its terms, for the seller of its ticket. The buyer knows of the order and is told
/// that it is not his to do; to others there is none.
pub(super) async fn sold_by(
    state: &State,
    id: &OrderId,
    who: AccountId,
    only: &str,
) -> Result<(Loaded<Order>, OrderPlaced), ApiError> {
    let order = state.log.load::<Order>(id).await.map_err(|error| not_logged(&error))?;
    let terms = order.state.terms().cloned().ok_or_else(|| OrderRejection::NotFound.answer())?;
    let ticket = state.log.load::<Ticket>(&terms.ticket).await;
    let ticket = ticket.map_err(|error| not_logged(&error))?.state;
    if ticket.listing().is_some_and(|listing| listing.seller == who) {
        return Ok((order, terms));
    }
    if terms.buyer == who {
        return Err(ApiError::forbidden(only));
    }
    Err(OrderRejection::NotFound.answer())
}

/// What the buyer's bank has given back for good cannot be given back once more.
async fn check_not_lost(state: &State, order: &Order) -> Result<(), ApiError> {
    let Some(Status::Complete { payment }) = order.status() else { return Ok(()) };
    let payment = state.log.load::<Payment>(payment).await;
    let payment = payment.map_err(|error| not_logged(&error))?.state;
    let lost = payment.taken_back().is_some_and(TakenBack::has_lost);
    if lost && payment.left_minor() <= 0 {
        let why = "The buyer's bank has given the money back already, by a dispute";
        return Err(ApiError::bad_request(why));
    }
    Ok(())
}

fn refund_of(order: &Order) -> Option<RefundId> {
    match order.status()? {
        Status::Refunding { refund, .. } | Status::Refunded { refund, .. } => Some(*refund),
        Status::Created
        | Status::AwaitingPayment { .. }
        | Status::Complete { .. }
        | Status::Cancelled
        | Status::Expired => None,
    }
}

fn parse_reason(text: &str) -> Result<String, String> {
    if text.chars().count() > REASON_CHARACTERS_MAX || text.chars().any(char::is_control) {
        return Err(format!(
            "Reason must be plain text of at most {REASON_CHARACTERS_MAX} characters"
        ));
    }
    Ok(text.to_owned())
}
