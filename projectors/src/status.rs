//! How far the projections have come.

use domain::Position;
use sqlx::PgPool;

use crate::stream::position_of;

/// What readers see of a projection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// As in `tickets`.
    pub name: String,
    pub version: i32,
    /// Of the last event that is in the tables; none before the first.
    pub position: Option<Position>,
}

/// Every projection that readers see, by name.
///
/// # Errors
/// Of the database, also when nothing is installed yet.
pub async fn status(pool: &PgPool) -> sqlx::Result<Vec<Status>> {
    let rows: Vec<(String, i32, Option<i64>, Option<i64>)> = sqlx::query_as(
        "SELECT live.name, live.version, checkpoint.commit_position, checkpoint.prepare_position \
         FROM projector.live \
         LEFT JOIN read.checkpoint ON checkpoint.name = 'projector/' || live.name \
         ORDER BY live.name",
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|(name, version, commit, prepare)| {
            let position =
                commit.zip(prepare).map(|(commit, prepare)| position_of(commit, prepare));
            Ok(Status { name, version, position: position.transpose()? })
        })
        .collect()
}
