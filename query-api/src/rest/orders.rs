//! `GET /api/orders` and `GET /api/orders/{id}`: one's own only. Another person's order is not
//! found, which tells nothing of it.

use axum::Json;
use axum::extract::State as Shared;
use axum::response::IntoResponse;
use domain::id::OrderId;
use web::{ApiError, PathId, ReadPosition, SignedIn, wire};

use super::headers::{NextPage, etag};
use crate::State;
use crate::freshness::ReadModel;
use crate::page::{Page, PageQuery};

/// One's own orders, newest first
#[utoipa::path(
    get, path = "/api/orders", tag = "orders",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of them", body = Vec<wire::Order>,
            headers(("Link" = String), ("Ticketing-Position" = String), ("Ticketing-Stale" = String))),
        (status = 400),
    ),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn list(
    Shared(state): Shared<State>,
    SignedIn(session): SignedIn,
    ReadPosition(wanted): ReadPosition,
    page: Page,
) -> Result<impl IntoResponse, ApiError> {
    let seen = state.freshness.wait(&[ReadModel::Orders], wanted).await;
    let found = state.database.orders_of(session.account, &page).await?;
    let last = found.items.last().map(|order| order.cursor);
    let next = NextPage::new("/api/orders", &page, found.more, last);
    let orders: Vec<wire::Order> = found.items.into_iter().map(wire::Order::from).collect();
    Ok((seen, next, Json(orders)))
}

/// One of one's own orders
#[utoipa::path(
    get, path = "/api/orders/{id}", tag = "orders",
    params(("id" = Uuid, Path, description = "The order")),
    responses(
        (status = 200, description = "The order", body = wire::Order,
            headers(("ETag" = String), ("Ticketing-Position" = String), ("Ticketing-Stale" = String))),
    ),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn one(
    Shared(state): Shared<State>,
    SignedIn(session): SignedIn,
    ReadPosition(wanted): ReadPosition,
    PathId(id): PathId<OrderId>,
) -> Result<impl IntoResponse, ApiError> {
    let seen = state.freshness.wait(&[ReadModel::Orders], wanted).await;
    let order = state.database.orders(session.account, &[id]).await?.pop();
    let order = order.ok_or_else(|| ApiError::not_found("Order not found"))?;
    Ok((seen, etag(order.version), Json(wire::Order::from(order))))
}
