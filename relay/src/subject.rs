//! Where an event goes: `ticketing.<aggregate>.<id>.<event>`, so that a consumer may take one
//! ticket (`ticketing.ticket.<id>.>`), one kind of event (`ticketing.*.*.sold`) or all.

use crate::contract::PublicEvent;

/// What the stream takes in.
pub(crate) const ALL: &str = "ticketing.>";

pub(crate) fn of(event: &PublicEvent) -> String {
    let kind = event.kind();
    format!("ticketing.{}.{}.{}", kind.aggregate, event.aggregate_id(), kind.event)
}
