//! Changing over from the tables that readers see to others, between two commits.

use domain::Position;
use eventlog::EventLog;
use sqlx::{PgConnection, PgPool};

use crate::build::{Build, Part};
use crate::feed::{Sink, feed};
use crate::fill::Fill;
use crate::projection::Changed;
use crate::{Error, schema};

/// Puts a build in the place of the one that is kept, and shows it. It has been brought near the
/// end of the log before; the little that is left is taken while the old one stands still, so that
/// readers never see an earlier moment than before.
pub(super) async fn switch(
    log: &EventLog,
    pool: &PgPool,
    fill: Fill,
    keep_old: bool,
) -> Result<Option<Position>, Error> {
    let mut transaction = pool.begin().await?;
    let kept =
        Build::find(&mut *transaction, fill.build.name, fill.build.version, Part::Kept).await?;
    let live = Build::live(&mut *transaction, fill.build.name).await?;
    let mut reached = None;
    for build in live.iter().chain(kept.as_ref().filter(|kept| Some(*kept) != live.as_ref())) {
        reached = reached.max(schema::lock_checkpoint(&mut transaction, build).await?);
    }
    let mut fills = [fill];
    if let Some(reached) = reached {
        fills[0].aim_at(reached);
        feed(log, &mut fills, &mut |_| {}).await?;
    }
    let [fill] = fills;
    put_aside(&mut transaction, &fill.build).await?;
    if let Some(kept) = &kept {
        retire(&mut transaction, kept, keep_old).await?;
    }
    fill.build.set_part(&mut transaction, Part::Kept).await?;
    schema::show(&mut transaction, &fill.build).await?;
    if let Some(kept) = kept.filter(|_| !keep_old) {
        schema::remove(&mut transaction, &kept).await?;
    }
    if let Some(position) = fill.position() {
        schema::announce(&mut transaction, &fill.build, position, &Changed::many()).await?;
    }
    transaction.commit().await?;
    Ok(fill.position())
}

/// The build loses the part it had, and an earlier build that was kept to go back to is given up.
async fn put_aside(db: &mut PgConnection, build: &Build) -> sqlx::Result<()> {
    if let Some(former) = Build::find(&mut *db, build.name, build.version, Part::Former).await?
        && former != *build
    {
        schema::remove(db, &former).await?;
    }
    build.forget_part(db).await
}

/// Takes the checkpoint of the kept build away from its projectors, who then find out that another
/// build has taken its place.
async fn retire(db: &mut PgConnection, kept: &Build, keep_old: bool) -> sqlx::Result<()> {
    if keep_old {
        kept.set_part(db, Part::Former).await?;
    } else {
        kept.forget_part(&mut *db).await?;
    }
    rename(db, &kept.checkpoint(), &kept.checkpoint_asleep()).await
}

/// Gives a former build its checkpoint back.
pub(super) async fn wake(pool: &PgPool, former: &Build) -> sqlx::Result<()> {
    rename(&mut *pool.acquire().await?, &former.checkpoint_asleep(), &former.checkpoint()).await
}

async fn rename(db: &mut PgConnection, old: &str, new: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE follower.checkpoint SET name = $2 WHERE name = $1")
        .bind(old)
        .bind(new)
        .execute(db)
        .await
        .map(|_| ())
}
