//! The roles, each runnable alone. Every one is told where the log and its other parts are; none
//! knows or needs the others' processes.

pub(crate) mod account;
pub(crate) mod command_api;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod handbook;
pub(crate) mod ledger;
pub(crate) mod log;
pub(crate) mod process_managers;
pub(crate) mod projectors;
pub(crate) mod query_api;
pub(crate) mod relay;
pub(crate) mod stripe_sandbox;
pub(crate) mod vault;
