//! The invariants of the domain, as seen from outside.
//!
//! Each is kept by a witness: bookkeeping of its own that looks at commands and events and says
//! when the invariant is broken. It must stay silent about the rules as they are, whatever is
//! asked, and must speak up about each mutant, which is the rules with one guard removed.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "what is not as it should be must fail the test on the spot"
)]

mod account;
mod checkout;
mod email_claim;
mod order;
mod payment;
mod rules;
mod ticket;
mod witness;
