//! A durable single-node event log that speaks KurrentDB's gRPC protocol, so that the official
//! clients work against it unchanged. It knows nothing of what the events mean.
//!
//! ```text
//! socket ─ http2 ─ rpc/<verb> ─┬─ store::Store::write ─ writer thread ─ stage ─ tables ─ disk
//!                              └─ store::Store::read ── reader ─ filter ─ tables
//! ```
//!
//! - [`Server`] opens a directory and serves it; [`Options`] says where. `socket` holds the
//!   connections, `http2` what is spoken on them.
//! - `tls` and `credentials` are what keeps strangers out, where an operator asks for it.
//! - `rpc` holds the protocol, one file per verb; `proto` the generated messages.
//! - `store` is the log on disk. One thread writes, syncs many appends at once and answers after
//!   that; it tells how far the log goes, and readers page up to there.
//! - `operations` is what an operator does with a log: verify, back up, restore, ask how much there
//!   is; `control` the socket by which that reaches a served one.
//! - `metadata` knows what a `$$stream` says about its stream; `filter` which events of `$all` pass.
//! - `observe` publishes the figures no single call can tell.
//! - `limits` names every bound; `files` knows how many files there may be. `testing` (a feature)
//!   serves a log for a test; `bare` (a feature) is the store alone, for the benchmark.
//!
//! What is true by absence: nothing is acknowledged before it is on disk, no reader holds up the
//! writer, and no subscription buffers events.

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bare;
mod control;
mod credentials;
mod files;
mod filter;
mod http2;
mod limits;
mod metadata;
mod observe;
mod operations;
mod proto;
mod rpc;
mod server;
mod socket;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;

pub use credentials::{Credentials, CredentialsError};
pub use operations::{Extent, OperationError, Progress, Stats, backup, restore, stats, verify};
pub use server::{Options, ServeError, Server};
pub use store::OpenError;
pub use tls::{Tls, TlsError};
