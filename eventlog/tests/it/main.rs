//! The log as its users see it, against a real server over the wire.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "what is not as it should be must fail the test on the spot"
)]

mod access;
mod checkpoint;
mod contention;
mod cost;
mod deadline;
mod execute;
mod follow;
#[cfg(feature = "mutants")]
mod mutants;
mod outage;
mod overload;
mod panic;
mod repeated;
mod subscribe;
mod support;
mod vault;
mod vault_rotation;
mod wait;
