//! What the payment provider tells us of, each thing once.
//!
//! A stream of its own per event of the provider, so that the first append wins: whether the
//! provider sends it once, ten times or never, and we find it in the provider's own list, it is one
//! event here. It says only which payment to look at; what is so, the provider is asked afterwards,
//! and so it does not matter in which order things were told.

mod event;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt::{self, Display};

pub use event::{NoticeEvent, ProviderNoticeReceived};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;
use crate::aggregate::Aggregate;
use crate::id::CommandId;

/// Commands are named by what they note, so both ways in give the same one.
const NAMESPACE: Uuid = Uuid::from_u128(0x3f0c_5a1e_96d4_4c0b_8a67_0f6e_d1b2_7c55);
/// The longest name of a thing at the provider, in bytes. Stripe promises no more than 255.
const NAME_BYTES_MAX: usize = 255;

/// What is noted, in Stripe's words. Of what else it tells, one of these follows or nothing does.
pub const KINDS: [&str; 14] = [
    "payment_intent.succeeded",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    // As when what the provider keeps of it is known only afterwards.
    "charge.updated",
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
];

/// The provider's name of one of its events, as in `evt_1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NoticeId(String);

impl NoticeId {
    /// The command that notes it, the same for all who do.
    #[must_use]
    pub fn command(&self) -> CommandId {
        CommandId(Uuid::new_v5(&NAMESPACE, self.0.as_bytes()))
    }
}

impl Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An event as the provider tells it, in Stripe's words; nothing of it is believed yet.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    pub event: &'a str,
    /// Such as `charge.refunded`.
    pub kind: &'a str,
    /// Seconds since the Unix epoch.
    pub created: i64,
    /// What kind of thing it is about, such as `refund`, and its name.
    pub object: &'a str,
    pub id: &'a str,
    /// The payment and the charge that the thing says it belongs to.
    pub payment: Option<&'a str>,
    pub charge: Option<&'a str>,
}

/// Why something told is not an event of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTold {
    #[error("{0} is no name that the provider gives")]
    Name(&'static str),
    #[error("created is no time")]
    Time,
}

impl Told<'_> {
    /// None: it tells nothing that we have to do with, as of customers.
    ///
    /// # Errors
    /// [`InvalidTold`] names what is wrong.
    pub fn read(&self) -> Result<Option<(NoticeId, ProviderNoticeReceived)>, InvalidTold> {
        let id = NoticeId(name("id", self.event)?);
        let kind = name("type", self.kind)?;
        if !KINDS.contains(&self.kind) {
            return Ok(None);
        }
        let happened_at = Timestamp::from_timestamp(self.created, 0).ok_or(InvalidTold::Time)?;
        let own = Some(name("data.object.id", self.id)?);
        let optional = |field, text: Option<&str>| text.map(|text| name(field, text)).transpose();
        let payment = optional("data.object.payment_intent", self.payment)?;
        let charge = optional("data.object.charge", self.charge)?;
        let notice = ProviderNoticeReceived {
            kind,
            payment,
            charge,
            refund: None,
            dispute: None,
            happened_at,
        };
        let notice = match self.object {
            "payment_intent" => ProviderNoticeReceived { payment: own, ..notice },
            "charge" => ProviderNoticeReceived { charge: own, ..notice },
            "refund" => ProviderNoticeReceived { refund: own, ..notice },
            "dispute" => ProviderNoticeReceived { dispute: own, ..notice },
            _ => return Ok(None),
        };
        Ok(Some((id, notice)))
    }
}

/// Names stand in the names of streams and in addresses, so nothing else is let in.
fn name(field: &'static str, text: &str) -> Result<String, InvalidTold> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.bytes().all(plain) {
        return Err(InvalidTold::Name(field));
    }
    Ok(text.to_owned())
}

/// Whether an event of the provider has been noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Notice {
    #[default]
    Unheard,
    Received(ProviderNoticeReceived),
}

/// What can be asked of it: that it is noted.
#[derive(Clone, Debug, PartialEq)]
pub struct Receive(pub ProviderNoticeReceived);

impl Aggregate for Notice {
    const CATEGORY: &'static str = "webhook";
    type Id = NoticeId;
    type Command = Receive;
    type Event = NoticeEvent;
    type Rejection = Infallible;

    /// What was noted first stays, whatever is told under the same name afterwards.
    fn decide(&self, Receive(notice): Receive) -> Result<Vec<NoticeEvent>, Infallible> {
        match self {
            Self::Unheard => Ok(vec![NoticeEvent::ProviderNoticeReceived(notice)]),
            Self::Received(_) => Ok(Vec::new()),
        }
    }

    fn evolve(self, event: &NoticeEvent) -> Self {
        match event {
            NoticeEvent::ProviderNoticeReceived(notice) => Self::Received(notice.clone()),
        }
    }
}
