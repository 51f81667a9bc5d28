//! What is stored of what the provider tells.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::{Event, Upcaster};

/// The events of `webhook-<the provider's name of its event>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum NoticeEvent {
    ProviderNoticeReceived(ProviderNoticeReceived),
}

impl Event for NoticeEvent {
    const UPCASTERS: &'static [Upcaster] = &[];
}

/// Something has happened at the payment provider. Only names: what is so, the provider is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProviderNoticeReceived {
    /// The provider's word for what has happened, such as `charge.refunded`.
    pub kind: String,
    /// The provider's name of the payment that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute: Option<String>,
    /// When it happened, by the provider's clock.
    pub happened_at: Timestamp,
}
