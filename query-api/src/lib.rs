//! SQL in, GraphQL and REST GETs out: the read side. Of the log it has only the half that reads, and
//! its connections to Postgres cannot write.
//!
//! The map:
//! - [`State`], [`api`]: what a server of this needs.
//! - `freshness`: how far the read models have come, so that a session reads its own writes.
//! - `database`, `read_model`: the SQL, one file for each read model.
//! - `page`: keyset paging, the same for REST and GraphQL; `shared_lists`: what many ask for at once.
//! - `live`: what changes, told to all who watch; `history`: what once was, from the log.
//! - `rest`, `graphql`: the two ways to ask; `explorer`: a page to try the second.

mod database;
mod explorer;
mod freshness;
mod graphql;
mod history;
mod live;
mod page;
mod read_model;
mod ready;
mod rest;
mod shared_lists;
mod state;

use web::Api;

pub use graphql::schema_sdl;
pub use state::{Settings, State, SubscriptionLimits};

/// The routes of the read side, with the description of the REST ones: GraphQL describes itself.
#[must_use]
pub fn api() -> Api<State> {
    rest::api().merge(graphql::routes().into()).merge(explorer::routes().into())
}
