//! Builds: each is one set of tables of a projection, filled from the start of the log.

use std::fmt::{self, Display};

use sqlx::{PgConnection, PgExecutor};

use crate::Registered;

/// A set of tables. Each version of a projection begins with build 1; a rebuild makes the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Build {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    pub(crate) number: u32,
}

/// What a build is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The projectors of its version keep it up to date.
    Kept,
    /// A rebuild fills it, or has filled it and not shown it yet.
    Filling,
    /// It was kept before the last rebuild, and can be gone back to.
    Former,
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Filling => "filling",
            Self::Former => "former",
        }
    }
}

impl Build {
    pub(crate) fn first(name: &'static str, version: u32) -> Self {
        Self { name, version, number: 1 }
    }

    /// The schema of its tables.
    pub(crate) fn schema(&self) -> String {
        let Self { name, version, number } = self;
        if *number == 1 {
            format!("{name}_v{version}")
        } else {
            format!("{name}_v{version}_b{number}")
        }
    }

    /// The name of its checkpoint, which `read.checkpoint` also knows how to make.
    pub(crate) fn checkpoint(&self) -> String {
        Self::checkpoint_of(self.name, self.version, self.number)
    }

    pub(crate) fn checkpoint_of(
        name: &str,
        version: impl Display,
        number: impl Into<i64>,
    ) -> String {
        let version = format!("projector/{name}/v{version}");
        let number = number.into();
        if number == 1 { version } else { format!("{version}/b{number}") }
    }

    /// The build of a version that has this part; none if there is no such build.
    pub(crate) async fn find(
        executor: impl PgExecutor<'_>,
        name: &'static str,
        version: u32,
        part: Part,
    ) -> sqlx::Result<Option<Self>> {
        let number: Option<i32> = sqlx::query_scalar(
            "SELECT number FROM projector.build WHERE name = $1 AND version = $2 AND part = $3",
        )
        .bind(name)
        .bind(column(version)?)
        .bind(part.as_str())
        .fetch_optional(executor)
        .await?;
        number.map(|number| Ok(Self { name, version, number: unsigned(number)? })).transpose()
    }

    /// The build that readers see, of whatever version.
    pub(crate) async fn live(
        executor: impl PgExecutor<'_>,
        name: &'static str,
    ) -> sqlx::Result<Option<Self>> {
        let row: Option<(i32, i32)> =
            sqlx::query_as("SELECT version, build FROM projector.live WHERE name = $1")
                .bind(name)
                .fetch_optional(executor)
                .await?;
        let build = |(version, number)| {
            Ok(Self { name, version: unsigned(version)?, number: unsigned(number)? })
        };
        row.map(build).transpose()
    }

    /// What rebuilds of other versions of the program have begun and not ended.
    pub(crate) async fn filling_of_other_versions(
        executor: impl PgExecutor<'_>,
        &Registered { name, version, .. }: &Registered,
    ) -> sqlx::Result<Vec<Self>> {
        let rows: Vec<(i32, i32)> = sqlx::query_as(
            "SELECT version, number FROM projector.build \
             WHERE name = $1 AND version <> $2 AND part = $3",
        )
        .bind(name)
        .bind(column(version)?)
        .bind(Part::Filling.as_str())
        .fetch_all(executor)
        .await?;
        let build = |(version, number)| {
            Ok(Self { name, version: unsigned(version)?, number: unsigned(number)? })
        };
        rows.into_iter().map(build).collect()
    }

    /// All that is left of versions older than that of a build.
    pub(crate) async fn of_older_versions(
        executor: impl PgExecutor<'_>,
        &Self { name, version, .. }: &Self,
    ) -> sqlx::Result<Vec<Self>> {
        let rows: Vec<(i32, i32)> = sqlx::query_as(
            "SELECT version, number FROM projector.build WHERE name = $1 AND version < $2 \
             ORDER BY version, number",
        )
        .bind(name)
        .bind(column(version)?)
        .fetch_all(executor)
        .await?;
        let build = |(version, number)| {
            Ok(Self { name, version: unsigned(version)?, number: unsigned(number)? })
        };
        rows.into_iter().map(build).collect()
    }

    /// A number that no build of the version has or had as long as anything is left of it.
    pub(crate) async fn next(
        executor: impl PgExecutor<'_>,
        name: &'static str,
        version: u32,
    ) -> sqlx::Result<Self> {
        let number: i32 = sqlx::query_scalar(
            "SELECT COALESCE(max(number), 0) + 1 FROM projector.build \
             WHERE name = $1 AND version = $2",
        )
        .bind(name)
        .bind(column(version)?)
        .fetch_one(executor)
        .await?;
        Ok(Self { name, version, number: unsigned(number)? })
    }

    /// It has no part any more.
    pub(crate) async fn forget_part(&self, executor: impl PgExecutor<'_>) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM projector.build WHERE name = $1 AND version = $2 AND number = $3")
            .bind(self.name)
            .bind(column(self.version)?)
            .bind(column(self.number)?)
            .execute(executor)
            .await
            .map(|_| ())
    }

    /// The name that its checkpoint has while nobody is to move it.
    pub(crate) fn checkpoint_asleep(&self) -> String {
        format!("{}/former", self.checkpoint())
    }

    /// Writes down what the build is for from now on.
    pub(crate) async fn set_part(&self, db: &mut PgConnection, part: Part) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO projector.build (name, version, number, part) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (name, version, number) DO UPDATE SET part = excluded.part",
        )
        .bind(self.name)
        .bind(column(self.version)?)
        .bind(column(self.number)?)
        .bind(part.as_str())
        .execute(db)
        .await
        .map(|_| ())
    }
}

impl Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{} build {}", self.name, self.version, self.number)
    }
}

/// Integer columns hold what is counted without a sign.
pub(crate) fn column(number: u32) -> sqlx::Result<i32> {
    i32::try_from(number).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn unsigned(number: i32) -> sqlx::Result<u32> {
    u32::try_from(number).map_err(|error| sqlx::Error::Decode(error.into()))
}
