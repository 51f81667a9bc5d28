//! What is stored of who has an e-mail address.

use serde::{Deserialize, Serialize};

use crate::event::{Event, Upcaster};
use crate::id::AccountId;

/// The events of `email-<hmac>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum EmailClaimEvent {
    EmailClaimed(EmailClaimed),
    EmailReleased(EmailReleased),
}

impl Event for EmailClaimEvent {
    const UPCASTERS: &'static [Upcaster] = &[];
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmailClaimed {
    pub account: AccountId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmailReleased {
    pub account: AccountId,
}
