//! The whole system, as somebody runs it: the binary, real Postgres, real NATS, real HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test has nothing better to do with an error"
)]

mod account;
mod config;
mod doctor;
mod events;
mod exported;
mod handbook;
mod log_access;
mod log_files;
mod log_look;
mod log_move;
mod machine;
mod metrics;
mod openapi;
mod program;
mod read_models;
mod relay_storm;
mod restore;
mod roles_alone;
mod schemathesis;
mod shopper;
mod storm;
mod traces;
mod trouble;
mod up;
mod vault;
