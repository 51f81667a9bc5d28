//! Whole flows on real parts: a log, a Postgres, the sandbox behind the real gateway.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails on the spot")]

mod bad_amounts;
mod desk;
mod door;
mod erasure;
mod expiry;
mod late_money;
mod lost_lease;
mod notices;
mod old_defects;
mod paying;
mod placement;
mod refunds;
mod timers;
mod trouble;
mod world;
