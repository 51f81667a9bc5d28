//! The rules of selling tickets. Pure: no clock, no dice, no IO, no async.
//!
//! The map:
//! - [`aggregate`]: what an aggregate is: a state, commands, `decide` and `evolve`.
//! - [`event`]: what an event is, how old versions are lifted, and what is recorded beside it.
//! - [`id`], [`money`], [`email`], [`password`], [`text`]: parsed values that cannot be wrong.
//! - [`ticket`], [`order`], [`payment`], [`account`], [`email_claim`], [`notice`]: one aggregate
//!   each, with its commands, its refusals and its rules; the stored contract of each lies in its
//!   `event` module.
//! - `testing` (feature): `given(..).when(..).then(..)`.
//! - `schema` (feature): JSON Schemas of what is stored.
//!
//! A command carries everything a rule may look at: the time, the person, the new ids. So the
//! same history and the same command always give the same events.

pub mod account;
pub mod aggregate;
pub mod email;
pub mod email_claim;
pub mod event;
pub mod id;
pub mod money;
pub mod notice;
pub mod order;
pub mod password;
pub mod payment;
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod ticket;

pub use account::Account;
pub use aggregate::Aggregate;
pub use email_claim::EmailClaim;
pub use event::{
    Actor, Cause, DomainEvent, Event, Metadata, Position, Recorded, Revision, Upcaster,
};
pub use notice::Notice;
pub use order::Order;
pub use payment::Payment;
pub use ticket::Ticket;

/// A moment in UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
