//! `GET /api/disputes`: of what one sells.

use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use web::{ApiError, ReadPosition, SignedIn, wire};

use super::headers::Listed;
use crate::State;
use crate::freshness::ReadModel;
use crate::page::{PageQuery, RestPage};

/// What buyers of one's tickets contest at their bank, newest first
#[utoipa::path(
    get, path = "/api/disputes", tag = "orders",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of them", body = Vec<wire::Dispute>,
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
    let read = [ReadModel::Disputes, ReadModel::Orders, ReadModel::Tickets];
    let seen = state.freshness.wait(&read, wanted).await;
    let found = state.database.disputes_of(session.account, &page).await?;
    let listed =
        Listed::<wire::Dispute>::new("/api/disputes", &page, found, |dispute| dispute.heard);
    Ok(listed.for_one_person().answer(&headers, seen))
}
