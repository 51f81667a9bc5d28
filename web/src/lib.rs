//! What both HTTP sides share.
//!
//! The map:
//! - [`ApiError`]: every error answer, as `application/problem+json`.
//! - [`Web`], [`Session`]: who is signed in, by a signed cookie; [`SignedIn`], [`MaybeSignedIn`] and
//!   [`SameOrigin`] take it from a request; [`Accounts`] says whether a session is still open.
//! - [`Command`], [`RequestCause`]: a request to change something, and its [`domain::Cause`].
//! - [`Fields`]: the members of a JSON body, read one by one so that every bad one is named.
//! - [`IfMatch`], [`ReadPosition`], [`Written`]: which state a client has seen, and which it made.
//! - [`wire`]: tickets and orders as JSON.
//! - [`serve`]: one listener with its limits, health routes, logs, metrics and end.

mod accounts;
mod command;
mod cookie;
mod fields;
mod health;
mod layers;
mod origin;
mod path;
mod problem;
mod request_id;
mod seen;
mod serve;
mod session;
mod signed_in;
pub mod wire;

pub use accounts::{Accounts, Unavailable};
pub use command::{Command, RequestCause};
pub use cookie::SetCookie;
pub use fields::Fields;
pub use health::ReadyCheck;
pub use origin::SameOrigin;
pub use path::PathId;
pub use problem::{ApiError, FieldError};
pub use request_id::RequestId;
pub use seen::{IfMatch, ReadPosition, Written};
pub use serve::serve;
pub use session::{Session, Web};
pub use signed_in::{MaybeSignedIn, SignedIn};
