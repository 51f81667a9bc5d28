//! The read side over real HTTP, with a real log, real projectors and a real Postgres.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must fail")]

mod authorization;
mod freshness;
mod graphql;
mod outage;
mod rest;
mod statements;
mod support;
