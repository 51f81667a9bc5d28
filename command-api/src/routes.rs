//! The routes, a file for each kind of thing.

mod accounts;
mod orders;
mod payments;
mod tickets;

use axum::Router;
use axum::routing::{delete, get, post, put};

use crate::state::State;

/// Every route that changes something, and `currentuser`.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/api/users/signup", post(accounts::sign_up))
        .route("/api/users/signin", post(accounts::sign_in))
        .route("/api/users/signout", post(accounts::sign_out))
        .route("/api/users/currentuser", get(accounts::current_user))
        .route("/api/tickets", post(tickets::list))
        .route("/api/tickets/{id}", put(tickets::edit))
        .route("/api/orders", post(orders::place))
        .route("/api/orders/{id}", delete(orders::cancel))
        .route("/api/payments", post(payments::pay))
        .with_state(state)
}
