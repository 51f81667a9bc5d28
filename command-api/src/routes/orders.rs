//! Placing and cancelling orders.

use std::time::Duration;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use domain::id::{AccountId, OrderId, TicketId};
use domain::order::{OrderCommand, OrderPlaced, OrderRejection, Status};
use domain::text::Quantity;
use domain::ticket::TicketCommand;
use domain::{Cause, Order, Position, Revision, Ticket};
use eventlog::ExecuteError;
use web::wire::{self, OrderedTicket, Price};
use web::{ApiError, Command, IfMatch, NoVersion, PathId, RequestCause, SignedIn};

use super::tickets::{parse_quantity, whole};
use crate::bodies::OrderRequest;
use crate::refusal::{Refusal, not_executed, not_logged};
use crate::state::{Extract, State};
use crate::step::{begin, derived, first_answer, step};

/// Order units of a ticket
///
/// They are held for a limited time, and paid for by `POST /api/payments`.
//
// Reserves units of the ticket, then places the order on the terms of the reservation. After a
// crash in between, the order placement process or the same request places it.
#[utoipa::path(
    post, path = "/api/orders", tag = "orders",
    request_body = OrderRequest,
    responses(
        (status = 201, description = "The order", body = wire::Order,
            headers(("Location" = String), ("ETag" = String))),
        (status = 404),
    ),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn place(
    Extract(state): Extract,
    SignedIn(session): SignedIn,
    _: NoVersion,
    Command { mut fields, cause }: Command,
) -> Result<impl IntoResponse, ApiError> {
    let ticket = fields
        .text("ticketId", |text| text.parse::<TicketId>().map_err(|_| "TicketId must be provided"));
    let quantity = fields.optional_decimal("quantity", parse_quantity).unwrap_or(Quantity::ONE);
    let asked = fields.optional_decimal("holdSeconds", parse_hold);
    let (Some(ticket), true) = (ticket, fields.all_good()) else { return Err(fields.refused()) };
    let repeatable = cause.is_repeatable();
    let cause = cause.by(Some(session.account));
    let id = OrderId(derived(&cause, "order"));
    // A buyer may ask for less time than the shop gives, never for more.
    let hold = asked.map_or(state.reservation, |asked| asked.min(state.reservation));
    let wish = Wish { id, buyer: session.account, ticket, quantity, hold };

    let (terms, position) = match reserve(&state, &wish, &cause).await? {
        Some(terms) => place_on(&state, id, terms, &cause, repeatable).await?,
        // Reserved by this request when it was made before, and let go since.
        None => placed_before(&state, id).await?,
    };
    let answer = shown(id, &terms);
    let location = [(header::LOCATION, format!("/api/orders/{id}"))];
    let written = state.web.written(position, Some(Revision(answer.version)));
    Ok((StatusCode::CREATED, location, written, Json(answer)))
}

/// Cancel an order
///
/// The buyer, as long as it is not paid and no payment is under way.
//
// The units come back to the ticket by the order placement process.
#[utoipa::path(
    delete, path = "/api/orders/{id}", tag = "orders",
    params(("id" = Uuid, Path, description = "The order")),
    responses((status = 204, description = "Cancelled", headers(("ETag" = String)))),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn cancel(
    Extract(state): Extract,
    SignedIn(session): SignedIn,
    PathId(id): PathId<OrderId>,
    IfMatch(expected): IfMatch,
    cause: RequestCause,
) -> Result<impl IntoResponse, ApiError> {
    let by = session.account;
    let cause = step(&cause.by(Some(by)), "cancel");
    let command = OrderCommand::Cancel { by };
    let executed = state.log.execute_if::<Order>(&id, command, &cause, expected).await;
    let executed = first_answer(&state.log, &id, executed.map_err(not_executed)?).await?;
    Ok((StatusCode::NO_CONTENT, state.web.written(executed.position, executed.revision), ()))
}

struct Wish {
    id: OrderId,
    buyer: AccountId,
    ticket: TicketId,
    quantity: Quantity,
    /// How long the units are held for the order.
    hold: Duration,
}

fn parse_hold(text: &str) -> Result<Duration, &'static str> {
    let seconds = whole(text).parse().ok().filter(|seconds| *seconds > 0);
    seconds.map(Duration::from_secs).ok_or("HoldSeconds must be a whole number of at least 1")
}

/// The terms of the reservation; none when it was made and is over.
async fn reserve(
    state: &State,
    wish: &Wish,
    cause: &Cause,
) -> Result<Option<OrderPlaced>, ApiError> {
    let Wish { id, buyer, ticket, quantity, hold } = *wish;
    let expires_at = cause.now + hold;
    let command = TicketCommand::Reserve { order: id, buyer, quantity, expires_at };
    let reserved = state.log.execute::<Ticket>(&ticket, command, &step(cause, "reserve")).await;
    let reserved = reserved.map_err(not_executed)?.state;
    let hold = reserved.listing().and_then(|listing| Some((listing, listing.holds.get(&id)?)));
    let Some((listing, hold)) = hold else { return Ok(None) };
    let total = hold.unit_price.times(quantity.get());
    Ok(Some(OrderPlaced {
        buyer,
        ticket,
        title: listing.title.clone(),
        quantity,
        unit_price: hold.unit_price,
        total: total.ok_or_else(|| ApiError::invalid("quantity", "the total is too large"))?,
        expires_at: hold.expires_at,
    }))
}

async fn place_on(
    state: &State,
    id: OrderId,
    terms: OrderPlaced,
    cause: &Cause,
    repeatable: bool,
) -> Result<(OrderPlaced, Option<Position>), ApiError> {
    let command = OrderCommand::Place(terms.clone());
    let placing = step(cause, "place");
    match begin::<Order>(&state.log, &id, command, &placing, repeatable).await {
        Ok(executed) => {
            let executed = first_answer(&state.log, &id, executed).await?;
            let placed = executed.state.terms().cloned().unwrap_or(terms);
            Ok((placed, executed.position))
        }
        // The order placement process was faster, with the title as it was then.
        Err(ExecuteError::Rejected(OrderRejection::PlacedOtherwise)) => {
            placed_before(state, id).await
        }
        Err(error) => Err(not_executed(error)),
    }
}

async fn placed_before(
    state: &State,
    id: OrderId,
) -> Result<(OrderPlaced, Option<Position>), ApiError> {
    let loaded = state.log.first::<Order>(&id, |order| order.terms().is_some()).await;
    let loaded = loaded.map_err(|error| not_logged(&error))?;
    let terms = loaded.state.terms().ok_or_else(|| OrderRejection::NotFound.answer())?;
    Ok((terms.clone(), loaded.position))
}

/// The order as it was placed, whatever has become of it since: a request made again is answered
/// as it was the first time.
fn shown(id: OrderId, terms: &OrderPlaced) -> wire::Order {
    wire::Order {
        id,
        status: Status::Created.as_str().to_owned(),
        expires_at: terms.expires_at,
        ticket: OrderedTicket {
            id: terms.ticket,
            title: terms.title.as_str().to_owned(),
            price: Price(terms.unit_price),
            currency: terms.unit_price.currency.code(),
        },
        quantity: terms.quantity.get(),
        total: Price(terms.total),
        currency: terms.total.currency.code(),
        user_id: terms.buyer,
        version: 0,
    }
}
