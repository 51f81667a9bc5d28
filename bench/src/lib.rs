//! What the benchmarks share.
//!
//! - [`disk`] — the rate of syncs of the disk itself
//! - [`rate`] — what a measurement comes to
//! - [`processor`] — processor time of processes
//! - [`process`] — programs that are measured; [`http`] — the connections of clients
//! - [`figures`] — numbers as a table shows them
//! - [`history`] — what a log is filled with

#![allow(clippy::float_arithmetic, reason = "a benchmark works with rates")]

pub mod disk;
pub mod figures;
pub mod history;
pub mod http;
pub mod process;
pub mod processor;
pub mod rate;
