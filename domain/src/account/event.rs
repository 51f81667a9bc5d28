//! What is stored of an account's life. Nothing personal is in clear.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::{Event, Upcaster};
use crate::id::SessionId;

/// The events of `account-<id>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum AccountEvent {
    AccountRegistered(AccountRegistered),
    SessionOpened(SessionOpened),
    SessionRevoked(SessionRevoked),
}

impl Event for AccountEvent {
    const UPCASTERS: &'static [Upcaster] = &[];
}

/// Personal data, encrypted under a key of that person alone. Erasing the key erases the person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub String);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountRegistered {
    pub email: Sealed,
    /// The hash of the password, sealed.
    pub password: Sealed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionOpened {
    pub session: SessionId,
    pub opened_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionRevoked {
    pub session: SessionId,
}
