//! The projections against a real log and a real Postgres: whatever happens on the way, the tables
//! say what the domain's own fold of the log says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must fail")]

mod fold;
mod ledger;
mod outage;
mod parked;
mod read_models;
mod rebuild;
mod replicas;
mod support;
mod verify;
