//! The real servers: started, stopped, killed, started again.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]
mod kill;
mod nats;
mod postgres;
mod test_database;
