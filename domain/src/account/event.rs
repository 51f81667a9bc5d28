//! What is stored of an account's life. Nothing personal is in clear.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Timestamp;
use crate::event::{Event, Upcaster};
use crate::id::{EmailClaimId, RefreshId, SessionId};

/// The events of `account-<id>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AccountEvent {
    AccountRegistered(AccountRegistered),
    PasswordChanged(PasswordChanged),
    SessionOpened(SessionOpened),
    TokenRefreshed(TokenRefreshed),
    RefreshReused(RefreshReused),
    SessionRevoked(SessionRevoked),
    ErasureRequested(ErasureRequested),
    PersonalDataErased(PersonalDataErased),
}

impl Event for AccountEvent {
    const UPCASTERS: &'static [Upcaster] =
        &[Upcaster { event: "SessionOpened", from: 1, lift: session_of_a_browser }];
}

/// Before version 2 only browsers had sessions.
fn session_of_a_browser(mut body: Value) -> Value {
    if let Value::Object(fields) = &mut body {
        fields.insert("holder".to_owned(), json!({ "kind": "browser" }));
    }
    body
}

/// Personal data, encrypted under a key of that person alone. Erasing the key erases the person.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sealed(pub String);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

/// A person has signed up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccountRegistered {
    /// The address, sealed.
    pub email: Sealed,
    /// The hash of the password, sealed.
    pub password: Sealed,
}

/// The person has a new password. The other sessions are revoked beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PasswordChanged {
    /// The hash of the new password, sealed.
    pub password: Sealed,
}

/// A browser or a program is signed in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionOpened {
    pub session: SessionId,
    /// When the person signed in.
    pub opened_at: Timestamp,
    /// When it is over at the latest.
    pub expires_at: Timestamp,
    /// Who holds it. Version 1 did not say, for only browsers had sessions.
    pub holder: Holder,
}

/// Who holds a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Holder {
    /// A browser, by its cookie.
    Browser,
    /// A program, by short-lived tokens and one refresh token at a time.
    Program {
        /// Names the refresh token that is good now. Only a signed token of that name is one.
        refresh: RefreshId,
    },
}

/// A program has traded its refresh token for the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenRefreshed {
    pub session: SessionId,
    /// Names the refresh token that is good from now on.
    pub refresh: RefreshId,
}

/// A refresh token was presented that had been traded already: it was copied, and nobody knows
/// which of its holders is the thief. The session is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefreshReused {
    pub session: SessionId,
    /// Names the refresh token that came again.
    pub refresh: RefreshId,
}

/// A session was ended before its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionRevoked {
    pub session: SessionId,
}

/// The person wants to be forgotten. All sessions are over, and nothing is left to do with the
/// account but to erase it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErasureRequested {
    /// The claim of the person's address, to be released. Kept here because it cannot be found
    /// any more once the address is unreadable.
    pub claim: EmailClaimId,
}

/// The person's key is gone, and with it everything that was sealed. The account is no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PersonalDataErased {}
