//! For tests: a database of its own for every test, and servers that a test may stop and start.
//!
//! `make test` runs all tests against one throwaway Postgres, named in
//! `TICKETING_TEST_DATABASE_URL`. Without that, each test process starts its own, which ends with
//! the last value that uses it. Failure to start is a panic: a test has nothing better to do.

#[cfg(feature = "testing")]
mod database;
mod folder;
mod install;
mod nats_cluster;
mod server;

#[cfg(feature = "testing")]
pub use database::TestDatabase;
pub use folder::TestFolder;
pub use install::{install_node, install_python};
pub use nats_cluster::TestNatsCluster;
pub use server::{TestNats, TestPostgres};

/// The address of the Postgres that all tests of a run share.
pub const DATABASE_URL_VARIABLE: &str = "TICKETING_TEST_DATABASE_URL";
