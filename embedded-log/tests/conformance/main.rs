//! The rules of the protocol, each asked of a server over the wire, by the official client or in the
//! protocol's own messages.
//!
//! By default every test serves a log of its own. With `KURRENTDB_URL` the suite runs against the
//! `KurrentDB` it names, which must be one without TLS: every name is new, and no test takes the log
//! to be empty. What is a server's own affair (limits, pace, what it does not have) is then skipped,
//! with the reason printed.
//!
//! - `append_table` — every expected revision, stream state and repetition; `append`, `batch` — the
//!   rest of the two ways to append; `limits`, `refusals` — what is not taken, and how that is said
//! - `reads`, `all`, `filters` — counted reads
//! - `subscriptions`, `checkpoints` — what comes later
//! - `deletion`, `metadata` — what hides events
//! - `access` — TLS and credentials
//! - `connecting`, `noise`, `crowd` — what comes before, what should not come, and too many who come
//! - `life`, `latency` — our own server's restarts and pace
//! - `support`, `wire`, `read_requests` — what the tests use

#![allow(clippy::unwrap_used, reason = "what fails here fails the test, which is its use")]
#![allow(clippy::wildcard_enum_match_arm, reason = "every other outcome fails the test alike")]
#![allow(clippy::print_stdout, reason = "says what is skipped and how long an append took")]

mod access;
mod all;
mod append;
mod append_table;
mod batch;
mod checkpoints;
mod connecting;
mod crowd;
mod deletion;
mod filters;
mod latency;
mod life;
mod limits;
mod metadata;
mod noise;
#[path = "../../src/proto.rs"]
mod proto;
mod read_requests;
mod reads;
mod refusals;
mod subscriptions;
mod support;
mod wire;
