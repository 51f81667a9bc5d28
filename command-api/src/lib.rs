//! HTTP in, commands out: the write side.
//!
//! The map:
//! - [`api`]: its routes and their description; they stand in `routes`, a file for each kind of
//!   thing. `bodies`: what is sent to them, described.
//! - [`State`]: what the routes work with; [`RESERVATION`]: how long an order holds its units.
//! - [`LogAccounts`]: the answers about accounts that `web` asks for.
//! - `passwords`: hashing, in bounded number and off the async threads.
//! - `refusal`: how each refusal of the domain is answered.
//! - [`WebhookSecrets`]: whether a webhook comes from the payment provider.
//! - `step`: the several commands that one request may lead to.
//!
//! Every change is one or more commands, and each has an id derived from the request's
//! `Idempotency-Key`. So a request made again takes up where the first one stopped: what took
//! effect does not do so twice, and what did not yet, does.

mod accounts;
mod bodies;
mod passwords;
mod refusal;
mod routes;
mod signature;
mod state;
mod step;

pub use accounts::LogAccounts;
pub use routes::api;
pub use signature::WebhookSecrets;
pub use state::{RESERVATION, State};
