//! The routes, a file for each kind of thing.

mod accounts;
mod erasure;
mod orders;
mod passwords;
mod payments;
mod sessions;
mod tickets;
mod tokens;

use axum::Router;
use axum::routing::{delete, get, post, put};

use crate::state::State;

/// Every route that changes something, and what accounts and their programs need to know.
pub fn router(state: State) -> Router {
    let web = state.web.clone();
    let routes = Router::new()
        .route("/api/users/signup", post(accounts::sign_up))
        .route("/api/users/signin", post(accounts::sign_in))
        .route("/api/users/signout", post(accounts::sign_out))
        .route("/api/users/currentuser", get(accounts::current_user))
        .route("/api/users/me", delete(erasure::erase))
        .route("/api/users/me/password", put(passwords::change))
        .route("/api/users/sessions", get(sessions::list))
        .route("/api/users/sessions/{id}", delete(sessions::revoke))
        .route("/api/users/token", post(tokens::issue))
        .route("/api/users/token/refresh", post(tokens::refresh))
        .route("/.well-known/jwks.json", get(tokens::public_keys))
        .route("/api/tickets", post(tickets::list))
        .route("/api/tickets/{id}", put(tickets::edit).delete(tickets::withdraw))
        .route("/api/orders", post(orders::place))
        .route("/api/orders/{id}", delete(orders::cancel))
        .route("/api/payments", post(payments::pay))
        .with_state(state);
    web::limited(routes, &web)
}
