//! `GET /api/tickets` and `GET /api/tickets/{id}`.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use domain::id::TicketId;
use web::{ApiError, PathId, ReadPosition, wire};

use super::headers::{Cached, Listed};
use crate::State;
use crate::freshness::ReadModel;
use crate::page::{PageQuery, RestPage, TicketCursor};
use crate::read_model::ticket::{TicketFilter, TicketSort};

/// What can be bought, newest first
#[utoipa::path(
    get, path = "/api/tickets", tag = "tickets",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of it", body = Vec<wire::Ticket>,
            headers(("ETag" = String), ("Link" = String), ("Ticketing-Position" = String), ("Ticketing-Stale" = String))),
        (status = 304, description = "The page that the client has"),
        (status = 400),
    )
)]
pub(super) async fn list(
    Shared(state): Shared<State>,
    ReadPosition(wanted): ReadPosition,
    headers: HeaderMap,
    RestPage(page): RestPage,
) -> Result<impl IntoResponse, ApiError> {
    let seen = state.freshness.wait(&[ReadModel::Tickets], wanted).await;
    let asked = page.map(|listed| TicketCursor { listed, price_minor: None });
    let found = state.lists.tickets(TicketFilter::default(), TicketSort::Newest, asked).await?;
    let listed = Listed::<wire::Ticket>::new("/api/tickets", &page, found, |ticket| ticket.listed);
    Ok(listed.answer(&headers, seen))
}

/// One ticket, also when it is sold out or withdrawn
#[utoipa::path(
    get, path = "/api/tickets/{id}", tag = "tickets",
    params(("id" = Uuid, Path, description = "The ticket")),
    responses(
        (status = 200, description = "The ticket", body = wire::Ticket,
            headers(("ETag" = String), ("Ticketing-Position" = String), ("Ticketing-Stale" = String))),
        (status = 304, description = "The ticket that the client has"),
    )
)]
pub(super) async fn one(
    Shared(state): Shared<State>,
    ReadPosition(wanted): ReadPosition,
    headers: HeaderMap,
    PathId(id): PathId<TicketId>,
) -> Result<impl IntoResponse, ApiError> {
    let seen = state.freshness.wait(&[ReadModel::Tickets], wanted).await;
    let ticket = state.database.ticket(id).await?;
    let ticket = ticket.ok_or_else(|| seen.absent("Ticket not found"))?;
    let cached = Cached::of_version(ticket.version);
    Ok(cached.answer(&headers, (seen, Json(wire::Ticket::from(ticket)))))
}
