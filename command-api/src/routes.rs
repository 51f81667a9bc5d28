//! The routes, a file for each kind of thing.

mod accounts;
mod door;
mod erasure;
mod orders;
mod passwords;
mod payments;
mod refunds;
mod sessions;
mod tickets;
mod tokens;
mod webhooks;

use utoipa_axum::routes;
use web::Api;

use crate::state::State;

/// Every route that changes something, and what accounts and their programs need to know, with
/// their description.
#[must_use]
pub fn api() -> Api<State> {
    Api::default()
        .routes(routes!(accounts::sign_up))
        .routes(routes!(accounts::sign_in))
        .routes(routes!(accounts::sign_out))
        .routes(routes!(accounts::current_user))
        .routes(routes!(erasure::erase))
        .routes(routes!(passwords::change))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::revoke))
        .routes(routes!(tokens::issue))
        .routes(routes!(tokens::refresh))
        .routes(routes!(tokens::public_keys))
        .routes(routes!(tickets::list))
        .routes(routes!(tickets::edit, tickets::withdraw))
        .routes(routes!(orders::place))
        .routes(routes!(orders::cancel))
        .routes(routes!(refunds::request))
        .routes(routes!(payments::pay))
        .routes(routes!(door::received))
        .routes(routes!(door::returned))
        .routes(routes!(webhooks::stripe))
}
