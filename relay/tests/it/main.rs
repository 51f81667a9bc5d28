//! The relay on a real log, a real NATS and a real Postgres.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the helpers of tests fail as tests do, on the spot"
)]

mod halts;
mod history;
mod order;
mod outages;
mod partitions;
mod racing;
mod stream;
mod verifying;
mod world;
