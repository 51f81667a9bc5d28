//! The official client against a served log. With `KURRENTDB_URL` set, the parts that are not about
//! our own server's life run against the `KurrentDB` it names.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test, which is its use")]
#![allow(clippy::wildcard_enum_match_arm, reason = "every other outcome fails the test alike")]
#![allow(clippy::print_stdout, reason = "the latency test prints what it measured")]

mod append;
mod batch;
mod deletion;
mod durability;
mod idempotency;
mod latency;
mod life;
mod reads;
mod subscriptions;
mod support;
