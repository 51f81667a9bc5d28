//! How far the projections have come.

use domain::{Position, Timestamp};
use eventlog::parking::{self, Parked};
use eventlog::{EventLog, LogError};
use serde::Serialize;
use sqlx::PgPool;

use crate::build::Build;
use crate::stream::position_of;

/// The most events that are counted to tell how far behind a projection is.
pub const BEHIND_EVENTS_MAX: u64 = 100_000;

/// What readers see of a projection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// As in `tickets`.
    pub name: String,
    pub version: i32,
    /// Which filling of its tables, counted from 1.
    pub build: i32,
    /// Of the last event that is in the tables; none before the first.
    pub position: Option<Position>,
    /// How many streams are set aside.
    pub parked: u64,
}

/// What of the log is not in the tables yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Behind {
    /// Up to [`BEHIND_EVENTS_MAX`].
    pub events: u64,
    /// When the oldest of them happened.
    pub since: Option<Timestamp>,
}

/// Every projection that readers see, by name.
///
/// # Errors
/// Of the database, also when nothing is installed yet.
pub async fn status(pool: &PgPool) -> sqlx::Result<Vec<Status>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT live.name, live.version, live.build, checkpoint.commit_position, \
             checkpoint.prepare_position \
         FROM projector.live \
         LEFT JOIN read.checkpoint ON checkpoint.name = 'projector/' || live.name \
         ORDER BY live.name",
    )
    .fetch_all(pool)
    .await?;
    let parked = parking::list(pool, "projector/").await?;
    rows.into_iter().map(|row| row.status(&parked)).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    version: i32,
    build: i32,
    commit_position: Option<i64>,
    prepare_position: Option<i64>,
}

impl Row {
    fn status(self, parked: &[Parked]) -> sqlx::Result<Status> {
        let Self { name, version, build, commit_position, prepare_position } = self;
        let position = commit_position.zip(prepare_position);
        let position =
            position.map(|(commit, prepare)| position_of(commit, prepare)).transpose()?;
        let follower = Build::checkpoint_of(&name, version, build);
        let parked = parked.iter().filter(|parked| parked.follower == follower).count();
        Ok(Status {
            name,
            version,
            build,
            position,
            parked: u64::try_from(parked).unwrap_or(u64::MAX),
        })
    }
}

/// How much of the log lies after a position.
///
/// # Errors
/// Of the log.
pub async fn behind(log: &EventLog, position: Option<Position>) -> Result<Behind, LogError> {
    let Some(head) = log.head().await? else { return Ok(Behind { events: 0, since: None }) };
    let between = log.between(position, head, BEHIND_EVENTS_MAX).await?;
    Ok(Behind { events: between.events, since: between.oldest })
}
