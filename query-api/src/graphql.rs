//! GraphQL over HTTP: `POST /graphql`, and `GET /graphql?query=…`.

mod connection;
mod error;
mod handler;
mod me;
mod money;
mod order;
mod query;
mod reader;
mod ticket;

use async_graphql::{EmptyMutation, EmptySubscription, Schema};
use axum::Router;
use axum::routing::get;

use self::query::Query;
use crate::State;

/// The deepest that fields may be nested; introspection as tools do it needs 13.
const DEPTH_MAX: usize = 15;
/// The most fields that an answer may have, as counted before it is made.
const COMPLEXITY_MAX: usize = 5_000;
/// The most selection sets that fragments and fields may nest while a query is read.
const RECURSION_MAX: usize = 32;

pub(crate) type QuerySchema = Schema<Query, EmptyMutation, EmptySubscription>;

pub(crate) fn schema() -> QuerySchema {
    Schema::build(Query, EmptyMutation, EmptySubscription)
        .limit_depth(DEPTH_MAX)
        .limit_complexity(COMPLEXITY_MAX)
        .limit_recursive_depth(RECURSION_MAX)
        .finish()
}

/// The schema in GraphQL's own language, as `schema.graphql` holds it.
#[must_use]
pub fn schema_sdl() -> String {
    schema().sdl()
}

pub(crate) fn routes() -> Router<State> {
    Router::new().route("/graphql", get(handler::get).post(handler::post))
}
