//! The write side as a client meets it: real HTTP, a real log, a real vault in Postgres.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails on the spot")]

mod accounts;
mod again;
mod app;
mod authorization;
mod bank;
mod door;
mod erasure;
mod limits;
mod orders;
mod outage;
mod payments;
mod refunds;
mod sessions;
mod tickets;
mod tokens;
mod webhooks;
