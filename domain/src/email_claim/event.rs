//! What is stored of who has an e-mail address.

use serde::{Deserialize, Serialize};

use crate::event::{Event, Upcaster};
use crate::id::AccountId;

/// The events of `email-<hmac>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum EmailClaimEvent {
    EmailClaimed(EmailClaimed),
    EmailReleased(EmailReleased),
}

impl Event for EmailClaimEvent {
    const UPCASTERS: &'static [Upcaster] = &[];
}

/// The address belongs to this account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EmailClaimed {
    pub account: AccountId,
}

/// The address belongs to nobody any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EmailReleased {
    pub account: AccountId,
}
