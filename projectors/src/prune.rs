//! Removing what older versions of the program have left behind.

use sqlx::PgPool;

use crate::build::Build;
use crate::{PROJECTIONS, Registered, schema};

/// Removes the tables and checkpoints of all versions older than the one that readers see; gives
/// the names of the schemas.
///
/// Nothing does so by itself: as long as programs of the old version run, or may be gone back to,
/// they need their tables. Those that still run stand by from then on.
///
/// # Errors
/// Of the database; then nothing is removed.
pub async fn prune(pool: &PgPool) -> sqlx::Result<Vec<String>> {
    prune_each(pool, PROJECTIONS).await
}

pub(crate) async fn prune_each(
    pool: &PgPool,
    projections: &[Registered],
) -> sqlx::Result<Vec<String>> {
    let mut transaction = pool.begin().await?;
    let mut removed = Vec::new();
    for projection in projections {
        let Some(live) = Build::live(&mut *transaction, projection.name).await? else { continue };
        for old in Build::of_older_versions(&mut *transaction, &live).await? {
            schema::remove(&mut transaction, &old).await?;
            removed.push(old.schema());
        }
    }
    transaction.commit().await?;
    Ok(removed)
}
