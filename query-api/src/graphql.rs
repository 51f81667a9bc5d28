//! GraphQL: over HTTP at `POST /graphql` and `GET /graphql?query=…`, and subscriptions over a
//! WebSocket or as a stream of events at the same address.
//!
//! - `handler`, `request`: from a request to an answer; `socket`, `events`: to a stream of them.
//! - `documents`: queries that were read before, which is also what persisted queries are.
//! - `guards`: how large a query may be.
//! - `query`, `subscription`: what can be asked; `types`: what is answered.
//! - `reader`: what one request may read, and who asks.

mod connection;
mod documents;
mod error;
mod events;
mod guards;
mod handler;
mod query;
mod reader;
mod request;
mod scalars;
mod socket;
mod subscription;
mod types;

use async_graphql::{EmptyMutation, Schema};
use axum::Router;
use axum::routing::get;

use self::query::Query;
use self::subscription::Subscription;
use crate::State;

pub(crate) use documents::Documents;

/// The deepest that fields may be nested; introspection as tools do it needs 13.
const DEPTH_MAX: usize = 15;
/// The most fields that an answer may have, as counted before it is made.
const COMPLEXITY_MAX: usize = 5_000;
/// The most selection sets that fragments and fields may nest while a query is read.
const RECURSION_MAX: usize = 32;
/// The most directives at one field.
const DIRECTIVES_MAX: usize = 8;

pub(crate) type QuerySchema = Schema<Query, EmptyMutation, Subscription>;

pub(crate) fn schema(introspection: bool) -> QuerySchema {
    let schema = Schema::build(Query, EmptyMutation, Subscription)
        .register_output_type::<types::Node>()
        .limit_depth(DEPTH_MAX)
        .limit_complexity(COMPLEXITY_MAX)
        .limit_recursive_depth(RECURSION_MAX)
        .limit_directives(DIRECTIVES_MAX);
    // Without introspection nothing is hinted at either.
    let schema =
        if introspection { schema } else { schema.disable_introspection().disable_suggestions() };
    schema.finish()
}

/// The schema in GraphQL's own language, as `schema.graphql` holds it.
#[must_use]
pub fn schema_sdl() -> String {
    schema(true).sdl()
}

pub(crate) fn routes() -> Router<State> {
    Router::new().route("/graphql", get(handler::get).post(handler::post))
}
