//! A private Postgres and a private NATS on this machine: found, started on a free port of the
//! loopback, kept in a directory of ours, ended with us. They never touch what the machine runs
//! already.
//!
//! - [`Postgres`] and [`Nats`]: the two servers, each over one directory that it owns.
//! - [`find_postgres`] and [`find_nats`]: the programs, by version.
//! - [`testing`]: servers for tests and, with the feature of that name, a database for each test.
//!
//! What happens when we are killed: a lock on the directory says whether its owner lives. The next
//! owner ends a server that an earlier one left running, then starts its own on the same data and,
//! if it is still free, the same port.

mod cluster;
mod directory;
mod error;
mod find;
mod nats;
mod postgres;
mod process;
mod run_as;
pub mod testing;

pub use error::ServiceError;
pub use find::{Found, Version, find_nats, find_postgres};
pub use nats::Nats;
pub use postgres::Postgres;

/// Whether the data must outlive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Synced to the disk before a commit or an acknowledgement; Postgres asks for a password.
    Durable,
    /// For tests: nothing is synced, and Postgres trusts the loopback.
    Throwaway,
}
