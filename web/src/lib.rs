//! What both HTTP sides share.
//!
//! The map:
//! - [`ApiError`]: every error answer, as `application/problem+json`.
//! - [`Web`], [`Session`]: who is signed in, by a signed cookie or a program's token; [`SignedIn`],
//!   [`MaybeSignedIn`], [`Presented`] and [`SameOrigin`] take it from a request; [`Accounts`] says
//!   whether a session is still open. [`TokenKeys`]: the keys of tokens.
//! - [`ClientAddress`]: how many requests an address and an account may make.
//! - [`Command`], [`RequestCause`]: a request to change something, and its [`domain::Cause`].
//! - [`Deadline`]: by when a request has to be answered.
//! - [`Fields`]: the members of a JSON body, read one by one so that every bad one is named.
//! - [`IfMatch`], [`ReadPosition`], [`Written`]: which state a client has seen, and which it made.
//! - [`wire`]: tickets and orders as JSON.
//! - [`Server`]: one listener with its bounds, health routes, logs, metrics and end; [`Api`]: routes
//!   with their description, which it serves as `/openapi.json` and `/docs/`.

mod accounts;
mod body;
mod client;
mod command;
mod cookie;
mod cors;
mod deadline;
mod description;
mod fields;
mod head;
mod health;
mod layers;
mod limits;
mod origin;
mod path;
mod problem;
mod request_id;
mod seen;
mod serve;
mod server;
mod session;
mod signed_in;
#[cfg(feature = "testing")]
pub mod testing;
mod tokens;
pub mod wire;

pub use accounts::{Accounts, Unavailable};
pub use client::ClientAddress;
pub use command::{Command, RequestCause};
pub use cookie::SetCookie;
pub use deadline::Deadline;
pub use description::{Api, described};
pub use fields::Fields;
pub use health::ReadyCheck;
pub use origin::SameOrigin;
pub use path::PathId;
pub use problem::{ApiError, FieldError};
pub use request_id::RequestId;
pub use seen::{IfMatch, NoVersion, ReadPosition, Written};
pub use serve::{Bounds, Place};
pub use server::Server;
pub use session::{Session, Settings, Web};
pub use signed_in::{MaybeSignedIn, Presented, SignedIn};
pub use tokens::{ACCESS_TOKEN_LASTS, InvalidTokenKeys, RefreshToken, TokenKeys};
