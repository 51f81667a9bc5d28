//! Into how many partitions the streams of a name are divided; kept in Postgres, so that a number
//! mistyped in one place does not begin streams that nobody asked for.

use sqlx::{PgPool, Row};

use crate::halt::Halt;

/// The numbers that are allowed; none before the first relay has run.
pub(crate) async fn read(pool: &PgPool, name: &str) -> sqlx::Result<Vec<u16>> {
    let query =
        sqlx::query("select partitions from relay.layout where name = $1 order by partitions");
    let rows = query.bind(name).fetch_all(pool).await?;
    let numbers = rows.iter().map(|row| row.try_get::<i32, _>(0));
    numbers.map(|number| Ok(u16::try_from(number?).unwrap_or(u16::MAX))).collect()
}

/// Allows one more.
pub(crate) async fn allow(pool: &PgPool, name: &str, partitions: u16) -> sqlx::Result<()> {
    let query = sqlx::query(
        "insert into relay.layout (name, partitions) values ($1, $2) on conflict do nothing",
    );
    query.bind(name).bind(i32::from(partitions)).execute(pool).await.map(|_| ())
}

/// The first relay decides; whoever comes with another number is told how to change it.
pub(crate) async fn check(
    pool: &PgPool,
    name: &str,
    partitions: u16,
) -> sqlx::Result<Result<(), Halt>> {
    // In one statement, as several may start at once.
    sqlx::query(
        "insert into relay.layout (name, partitions)
         select $1, $2 where not exists (select from relay.layout where name = $1)
         on conflict do nothing",
    )
    .bind(name)
    .bind(i32::from(partitions))
    .execute(pool)
    .await?;
    let allowed = read(pool, name).await?;
    if allowed.contains(&partitions) {
        return Ok(Ok(()));
    }
    Ok(Err(Halt::OtherPartitions { name: name.to_owned(), wanted: partitions, allowed }))
}
