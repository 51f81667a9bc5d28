//! Identifiers: a type each, so that one is never taken for another.

use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[doc = $doc:literal] $name:ident),+ $(,)?) => {$(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub struct $name(pub Uuid);

        impl Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

uuid_id! {
    /// A person who sells or buys.
    AccountId,
    /// A signed-in browser or program of a person.
    SessionId,
    /// One refresh token of a program's session; good until it is traded for the next.
    RefreshId,
    /// Something for sale.
    TicketId,
    /// A person's hold on units of a ticket.
    OrderId,
    /// One attempt to pay an order.
    PaymentId,
    /// One giving back of money.
    RefundId,
    /// One command, for ever: the same id takes effect once.
    CommandId,
}

/// The keyed hash of an e-mail address in lower-case hex: names its claim stream and tells nobody
/// without the key whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EmailClaimId(pub String);

impl Display for EmailClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
