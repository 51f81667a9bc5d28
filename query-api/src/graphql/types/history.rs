//! Entries of a history in answers.

use async_graphql::connection::{Connection, CursorType};
use async_graphql::{Context, ID, Result, SimpleObject};
use domain::id::AccountId;
use domain::{Aggregate, Recorded, Timestamp};

use super::actor::ActorNode;
use crate::graphql::connection::{Window, connection};
use crate::graphql::error::of_log;
use crate::graphql::reader;
use crate::graphql::scalars::Position;
use crate::history::{InWords, RevisionCursor};
use crate::page::InvalidCursor;

/// What happened once to a thing: who did what, when and why.
#[derive(SimpleObject)]
pub(crate) struct HistoryEntry {
    /// Of the event; `cause` tells what it came of and what came of it.
    id: ID,
    /// The number of the event in the history of the thing, from 0.
    version: u64,
    /// Where in the log it is: `asOf` shows the thing as it was then.
    position: Position,
    /// The kind of event, such as `TicketEdited`.
    event: String,
    /// In words.
    what: String,
    /// The reason that was given, or that follows from the event.
    why: Option<String>,
    by: ActorNode,
    at: Timestamp,
    /// The command that was carried out.
    command: ID,
    /// The request or the event that led to the command.
    caused_by: ID,
}

pub(crate) type HistoryConnection = Connection<RevisionCursor, HistoryEntry>;

impl CursorType for RevisionCursor {
    type Error = InvalidCursor;

    fn decode_cursor(text: &str) -> Result<Self, InvalidCursor> {
        text.parse()
    }

    fn encode_cursor(&self) -> String {
        self.0.to_string()
    }
}

/// A page of the history of a thing whose last known event has the number `version`; null for all
/// but its owner.
pub(crate) async fn history<A: Aggregate<Event: InWords>>(
    ctx: &Context<'_>,
    owner: AccountId,
    id: &A::Id,
    version: u64,
    window: Window,
) -> Result<Option<HistoryConnection>> {
    let reader = reader::of(ctx)?;
    let Some(viewer) = reader.maybe_viewer().filter(|viewer| *viewer == owner) else {
        return Ok(None);
    };
    let found = reader.state.past.events::<A>(id, version, &window.page()?).await;
    let cursor = |recorded: &Recorded<A::Event>| RevisionCursor(recorded.revision.0);
    let entry = |recorded: Recorded<A::Event>| entry(viewer, &recorded);
    Ok(Some(connection(found.map_err(|error| of_log(&error))?, cursor, entry)))
}

fn entry<E: InWords>(viewer: AccountId, recorded: &Recorded<E>) -> HistoryEntry {
    let name = &recorded.event_type;
    let name = name.rsplit_once(".v").map_or(name.as_str(), |(name, _)| name);
    HistoryEntry {
        id: recorded.id.into(),
        version: recorded.revision.0,
        position: Position(recorded.position),
        event: name.to_owned(),
        what: recorded.event.what(),
        why: recorded.event.why().filter(|why| !why.is_empty()),
        by: ActorNode::seen_by(Some(viewer), &recorded.metadata.actor),
        at: recorded.metadata.occurred_at,
        command: recorded.metadata.command.0.into(),
        caused_by: recorded.metadata.causation.into(),
    }
}
