//! The REST GETs.

mod headers;
mod orders;
mod tickets;

use axum::Router;
use axum::routing::get;

use crate::State;

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/api/tickets", get(tickets::list))
        .route("/api/tickets/{id}", get(tickets::one))
        .route("/api/orders", get(orders::list))
        .route("/api/orders/{id}", get(orders::one))
}
