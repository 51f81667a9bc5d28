//! What happened, without the events themselves, from the view `read.timeline`.

use domain::event::Actor;
use domain::id::AccountId;
use domain::{Position, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::database::{Database, ReadError, column};

/// The most that is shown of what came of one request.
const OF_REQUEST_MAX: i64 = 500;

/// An event, by what is recorded of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Happening {
    pub(crate) id: Uuid,
    pub(crate) position: Position,
    /// The kind of thing it happened to, such as `ticket`.
    pub(crate) aggregate: String,
    /// None for things that are not named by a UUID.
    pub(crate) aggregate_id: Option<Uuid>,
    /// Without its version, such as `TicketReserved`.
    pub(crate) event: String,
    pub(crate) actor: Actor,
    pub(crate) command: Uuid,
    pub(crate) correlation: Uuid,
    pub(crate) causation: Uuid,
    pub(crate) at: Timestamp,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT event_id, commit_position, prepare_position, aggregate, aggregate_id, event, \
             actor, actor_id, command, correlation, causation, occurred_at FROM read.timeline ",
            $rest
        )
    };
}

impl Database {
    /// Everything that came of the same request as an event, in the order of the log; none when
    /// there is no such event.
    pub(crate) async fn same_request(&self, event: Uuid) -> Result<Vec<Happening>, ReadError> {
        let query = sqlx::query_as(select!(
            "WHERE correlation = (SELECT correlation FROM read.timeline WHERE event_id = $1) \
             ORDER BY commit_position, prepare_position LIMIT $2"
        ))
        .bind(event)
        .bind(OF_REQUEST_MAX);
        self.read(query).await
    }
}

impl FromRow<'_, PgRow> for Happening {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let event: String = row.try_get("event")?;
        let name = event.rsplit_once(".v").map_or(event.as_str(), |(name, _)| name);
        let aggregate_id: String = row.try_get("aggregate_id")?;
        Ok(Self {
            id: row.try_get("event_id")?,
            position: Position {
                commit: column::<i64, u64>(row, "commit_position")?,
                prepare: column::<i64, u64>(row, "prepare_position")?,
            },
            aggregate: row.try_get("aggregate")?,
            aggregate_id: aggregate_id.parse().ok(),
            event: name.to_owned(),
            actor: actor(row.try_get("actor")?, row.try_get("actor_id")?),
            command: row.try_get("command")?,
            correlation: row.try_get("correlation")?,
            causation: row.try_get("causation")?,
            at: row.try_get("occurred_at")?,
        })
    }
}

fn actor(kind: &str, id: Option<String>) -> Actor {
    match (kind, id) {
        ("process", Some(name)) => Actor::Process(name),
        ("person", Some(id)) => {
            id.parse().map_or(Actor::Anonymous, |id| Actor::Person(AccountId(id)))
        }
        _ => Actor::Anonymous,
    }
}
