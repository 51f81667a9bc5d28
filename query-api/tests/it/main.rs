//! The read side over real HTTP, with a real log, real projectors and a real Postgres.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must fail")]

mod authorization;
mod consistency;
mod freshness;
mod graphql;
mod guards;
mod history;
mod lists;
mod live;
mod outage;
mod reading_role;
mod rest;
mod statements;
mod support;
mod who_sees_what;
