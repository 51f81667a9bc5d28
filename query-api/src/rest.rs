//! The REST GETs.

mod disputes;
mod headers;
mod orders;
mod tickets;

use utoipa_axum::routes;
use web::Api;

use crate::State;

pub(crate) fn api() -> Api<State> {
    Api::default()
        .routes(routes!(tickets::list))
        .routes(routes!(tickets::one))
        .routes(routes!(orders::list))
        .routes(routes!(orders::one))
        .routes(routes!(disputes::list))
}
