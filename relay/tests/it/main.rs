//! The relay on a real log, a real NATS and a real Postgres.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the helpers of tests fail as tests do, on the spot"
)]

mod cluster;
mod halts;
mod history;
mod logins;
mod measured;
mod order;
mod outages;
mod partitions;
mod racing;
mod stream;
mod verifying;
mod world;
