//! Filling the tables of a build from the log, as fast as they can be written.

use domain::{DomainEvent, Position, Recorded};
use eventlog::checkpoint;
use eventlog::parking::Unfit;
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool};

use crate::apply::{self, Care};
use crate::build::{self, Build, Part};
use crate::fault::Fault;
use crate::feed::Sink;
use crate::{Error, Registered, schema};

/// A build that is being filled, with the checkpoint in the same transaction: after a crash it goes
/// on where it was.
pub(crate) struct Fill {
    pub(crate) projection: Registered,
    pub(crate) build: Build,
    pool: PgPool,
    position: Option<Position>,
    until: Position,
}

impl Fill {
    /// Goes on with a build that was begun before, or begins one.
    pub(crate) async fn open(projection: Registered, pool: &PgPool) -> sqlx::Result<Self> {
        let Registered { name, version, .. } = projection;
        let mut transaction = pool.begin().await?;
        let begun = Build::find(&mut *transaction, name, version, Part::Filling).await?;
        let build = match begun {
            Some(build) => build,
            None => begin(&mut transaction, &projection).await?,
        };
        transaction.commit().await?;
        Self::of(projection, build, pool).await
    }

    /// A build that is there.
    pub(crate) async fn of(
        projection: Registered,
        build: Build,
        pool: &PgPool,
    ) -> sqlx::Result<Self> {
        let position = checkpoint::read(pool, &build.checkpoint()).await?;
        let until = position.unwrap_or_default();
        Ok(Self { projection, build, pool: pool.clone(), position, until })
    }

    /// How far it is to go.
    pub(crate) fn aim_at(&mut self, until: Position) {
        self.until = self.until.max(until);
    }

    pub(crate) fn has_reached(&self, position: Position) -> bool {
        self.position >= Some(position)
    }

    async fn commit(
        &mut self,
        events: &[Recorded<DomainEvent>],
        unreadable: Option<&Unfit>,
        end: Position,
        care: Care,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        // What a crash of Postgres may undo is undone with the checkpoint, and done again.
        transaction.execute("SET LOCAL synchronous_commit = off").await?;
        let follower = self.build.checkpoint();
        if !checkpoint::advance(&mut transaction, &follower, self.position, end).await? {
            return Err(Error::Busy(self.build.name));
        }
        apply::write(&self.projection, &self.build, &mut transaction, events, care).await?;
        if let Some(unfit) = unreadable {
            apply::park(&mut transaction, &follower, unfit).await?;
        }
        transaction.commit().await?;
        self.position = Some(end);
        Ok(())
    }

    /// Makes the indexes that were left out, if they still are.
    pub(crate) async fn index(&self) -> sqlx::Result<()> {
        let mut transaction = self.pool.begin().await?;
        schema::enter(&mut transaction, &self.build.schema()).await?;
        for definition in indexes_left_out(&mut transaction, &self.build).await? {
            transaction.execute(AssertSqlSafe(definition)).await?;
        }
        leave_out(&mut transaction, &self.build, &[]).await?;
        transaction.commit().await?;
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT tablename FROM pg_tables WHERE schemaname = $1")
                .bind(self.build.schema())
                .fetch_all(&self.pool)
                .await?;
        for table in tables {
            let analyze = format!("ANALYZE {}.{table}", self.build.schema());
            self.pool.execute(AssertSqlSafe(analyze)).await?;
        }
        Ok(())
    }
}

impl Sink for Fill {
    fn position(&self) -> Option<Position> {
        self.position
    }

    fn until(&self) -> Position {
        self.until
    }

    async fn take(
        &mut self,
        events: &[Recorded<DomainEvent>],
        unreadable: Option<&Unfit>,
        end: Position,
    ) -> Result<(), Error> {
        match self.commit(events, unreadable, end, Care::None).await {
            Err(Error::Database(error)) if Fault::of(&error) == Fault::Unfit => {
                self.commit(events, unreadable, end, Care::Around).await
            }
            outcome => outcome,
        }
    }
}

/// Tables without the indexes that only readers need: those are made when the tables are full.
async fn begin(db: &mut PgConnection, projection: &Registered) -> sqlx::Result<Build> {
    for other in Build::filling_of_other_versions(&mut *db, projection).await? {
        schema::remove(db, &other).await?;
    }
    let build = Build::next(&mut *db, projection.name, projection.version).await?;
    let schema = build.schema();
    schema::create(db, projection, &build).await?;
    build.set_part(db, Part::Filling).await?;
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = $1 AND NOT EXISTS ( \
             SELECT FROM pg_constraint \
             WHERE conindid = (quote_ident($1) || '.' || quote_ident(indexname))::regclass)",
    )
    .bind(&schema)
    .fetch_all(&mut *db)
    .await?;
    for (name, _) in &indexes {
        db.execute(AssertSqlSafe(format!("DROP INDEX {schema}.{name}"))).await?;
    }
    let definitions: Vec<String> = indexes.into_iter().map(|(_, definition)| definition).collect();
    leave_out(db, &build, &definitions).await?;
    Ok(build)
}

async fn indexes_left_out(db: &mut PgConnection, build: &Build) -> sqlx::Result<Vec<String>> {
    let definitions: Option<Vec<String>> = sqlx::query_scalar(
        "SELECT indexes FROM projector.build WHERE name = $1 AND version = $2 AND number = $3 \
         FOR UPDATE",
    )
    .bind(build.name)
    .bind(build::column(build.version)?)
    .bind(build::column(build.number)?)
    .fetch_optional(db)
    .await?;
    Ok(definitions.unwrap_or_default())
}

async fn leave_out(db: &mut PgConnection, build: &Build, indexes: &[String]) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE projector.build SET indexes = $4 \
         WHERE name = $1 AND version = $2 AND number = $3",
    )
    .bind(build.name)
    .bind(build::column(build.version)?)
    .bind(build::column(build.number)?)
    .bind(indexes)
    .execute(db)
    .await
    .map(|_| ())
}
