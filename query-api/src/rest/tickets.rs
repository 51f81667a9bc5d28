//! `GET /api/tickets` and `GET /api/tickets/{id}`.

use axum::Json;
use axum::extract::State as Shared;
use axum::response::IntoResponse;
use domain::id::TicketId;
use web::{ApiError, PathId, ReadPosition, wire};

use super::headers::{NextPage, etag};
use crate::State;
use crate::freshness::ReadModel;
use crate::page::{Page, PageQuery};

/// What can be bought, newest first
#[utoipa::path(
    get, path = "/api/tickets", tag = "tickets",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of it", body = Vec<wire::Ticket>,
            headers(("Link" = String), ("Ticketing-Position" = String), ("Ticketing-Stale" = String))),
        (status = 400),
    )
)]
pub(super) async fn list(
    Shared(state): Shared<State>,
    ReadPosition(wanted): ReadPosition,
    page: Page,
) -> Result<impl IntoResponse, ApiError> {
    let seen = state.freshness.wait(&[ReadModel::Tickets], wanted).await;
    let found = state.database.tickets_on_sale(&page).await?;
    let last = found.items.last().map(|ticket| ticket.cursor);
    let next = NextPage::new("/api/tickets", &page, found.more, last);
    let tickets: Vec<wire::Ticket> = found.items.into_iter().map(wire::Ticket::from).collect();
    Ok((seen, next, Json(tickets)))
}

/// One ticket, also when it is sold out or withdrawn
#[utoipa::path(
    get, path = "/api/tickets/{id}", tag = "tickets",
    params(("id" = Uuid, Path, description = "The ticket")),
    responses(
        (status = 200, description = "The ticket", body = wire::Ticket,
            headers(("ETag" = String), ("Ticketing-Position" = String), ("Ticketing-Stale" = String))),
    )
)]
pub(super) async fn one(
    Shared(state): Shared<State>,
    ReadPosition(wanted): ReadPosition,
    PathId(id): PathId<TicketId>,
) -> Result<impl IntoResponse, ApiError> {
    let seen = state.freshness.wait(&[ReadModel::Tickets], wanted).await;
    let ticket = state.database.ticket(id).await?;
    let ticket = ticket.ok_or_else(|| ApiError::not_found("Ticket not found"))?;
    Ok((seen, etag(ticket.version), Json(wire::Ticket::from(ticket))))
}
