//! `GET /api/orders` and `GET /api/orders/{id}`: one's own only. Another person's order is not
//! found, which tells nothing of it.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use domain::id::OrderId;
use web::{ApiError, PathId, ReadPosition, SignedIn, wire};

use super::headers::{Cached, Listed};
use crate::State;
use crate::freshness::ReadModel;
use crate::page::{PageQuery, RestPage};

/// One's own orders, newest first
#[utoipa::path(
    get, path = "/api/orders", tag = "orders",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of them", body = Vec<wire::Order>,
            headers(("ETag" = String), ("Link" = String), ("Ticketing-Position" = String), ("Ticketing-Stale" = String))),
        (status = 304, description = "The page that the client has"),
        (status = 400),
    ),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn list(
    Shared(state): Shared<State>,
    SignedIn(session): SignedIn,
    ReadPosition(wanted): ReadPosition,
    headers: HeaderMap,
    RestPage(page): RestPage,
) -> Result<impl IntoResponse, ApiError> {
    let seen = state.freshness.wait(&[ReadModel::Orders], wanted).await;
    let found = state.database.orders_of(session.account, None, &page).await?;
    let listed = Listed::<wire::Order>::new("/api/orders", &page, found, |order| order.placed);
    Ok(listed.for_one_person().answer(&headers, seen))
}

/// One of one's own orders
#[utoipa::path(
    get, path = "/api/orders/{id}", tag = "orders",
    params(("id" = Uuid, Path, description = "The order")),
    responses(
        (status = 200, description = "The order", body = wire::Order,
            headers(("ETag" = String), ("Ticketing-Position" = String), ("Ticketing-Stale" = String))),
        (status = 304, description = "The order that the client has"),
    ),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn one(
    Shared(state): Shared<State>,
    SignedIn(session): SignedIn,
    ReadPosition(wanted): ReadPosition,
    headers: HeaderMap,
    PathId(id): PathId<OrderId>,
) -> Result<impl IntoResponse, ApiError> {
    let seen = state.freshness.wait(&[ReadModel::Orders], wanted).await;
    let order = state.database.orders(session.account, &[id]).await?.pop();
    let order = order.ok_or_else(|| seen.absent("Order not found"))?;
    let cached = Cached::of_version(order.version).for_one_person();
    Ok(cached.answer(&headers, (seen, Json(wire::Order::from(order)))))
}
