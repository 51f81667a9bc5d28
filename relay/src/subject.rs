//! Where an event goes: `ticketing.<aggregate>.<id>.<event>`, so that a consumer may take one
//! ticket (`ticketing.ticket.<id>.>`), one kind of event (`ticketing.*.*.sold`) or all.

use crate::contract::PublicEvent;

/// What the stream takes in, and what every subject in it looks like.
pub(crate) const ALL: &str = "ticketing.>";

/// Two streams may not listen to the same subjects, so the relay publishes to a partition under
/// this and its number; the stream then gives the event its subject of [`ALL`].
pub(crate) const PARTITIONS: &str = "ticketing-partition";

pub(crate) fn of(event: &PublicEvent) -> String {
    format!("ticketing.{}", within(event))
}

/// Without the first word.
pub(crate) fn within(event: &PublicEvent) -> String {
    let kind = event.kind();
    format!("{}.{}.{}", kind.aggregate, event.aggregate_id(), kind.event)
}
