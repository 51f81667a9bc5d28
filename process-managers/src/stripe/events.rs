//! What has happened at Stripe, from its own list.

use domain::Timestamp;
use domain::notice::{KINDS, NoticeId, ProviderNoticeReceived, Told};
use miniserde::json::Value;
use stripe::Client;
use stripe_core::Event;
use stripe_core::event::ListEvent;
use stripe_types::{RangeBoundsTs, RangeQueryTs};

use super::Failure;
use crate::gateway::GatewayError;

/// Events of one page; Stripe lists no more at once.
const PAGE: i64 = 100;

pub(super) async fn events(
    client: &Client,
    from: Timestamp,
    until: Option<Timestamp>,
) -> Result<Vec<(NoticeId, ProviderNoticeReceived)>, GatewayError> {
    let created = RangeBoundsTs {
        gte: Some(from.timestamp()),
        lte: until.map(|until| until.timestamp()),
        ..RangeBoundsTs::default()
    };
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut list = ListEvent::new()
            .created(RangeQueryTs::Bounds(created))
            .types(KINDS.map(str::to_owned))
            .limit(PAGE);
        if let Some(after) = &after {
            list = list.starting_after(after.as_str());
        }
        let page = list.send(client).await.map_err(Failure::from)?;
        after = page.data.last().map(|event| event.id.to_string());
        found.extend(page.data.iter().filter_map(notice));
        if !page.has_more || after.is_none() {
            // Stripe tells the newest first.
            found.reverse();
            return Ok(found);
        }
    }
}

fn notice(event: &Event) -> Option<(NoticeId, ProviderNoticeReceived)> {
    let Value::Object(object) = &event.data.object else { return None };
    let text = |field: &str| match object.get(field) {
        Some(Value::String(text)) => Some(text.as_str()),
        Some(_) | None => None,
    };
    let told = Told {
        event: event.id.as_str(),
        kind: event.type_.as_str(),
        created: event.created,
        object: text("object")?,
        id: text("id")?,
        payment: text("payment_intent"),
        charge: text("charge"),
    };
    match told.read() {
        Ok(notice) => notice,
        Err(error) => {
            tracing::warn!(event = %event.id, %error, "an event of the provider is left");
            None
        }
    }
}
