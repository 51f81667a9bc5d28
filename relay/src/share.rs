//! Who works on which stream: any number of processes share the partitions evenly, each with one
//! process at a time. This only saves work. What is published is right without it, as it is while
//! two believe to be the one.

use std::time::Duration;

use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

/// A process that is not heard of for so long has lost what it held.
pub(crate) const LEASE: Duration = Duration::from_secs(5);
/// How often a process says that it is there, and looks what there is to do.
pub(crate) const TURN: Duration = Duration::from_secs(1);

/// Counts up whenever a stream changes hands; whoever comes with an older one is too late.
pub(crate) type Epoch = i64;

/// One process among those that share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member(pub(crate) Uuid);

/// What a process may work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) stream: String,
    pub(crate) epoch: Epoch,
}

/// The state of a stream's lease, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) holder: Uuid,
    pub(crate) epoch: Epoch,
}

pub(crate) async fn install(pool: &PgPool, streams: &[String]) -> sqlx::Result<()> {
    let query = sqlx::query(
        "insert into relay.lease (stream) select unnest($1::text[]) on conflict do nothing",
    );
    query.bind(streams).execute(pool).await.map(|_| ())
}

impl Member {
    /// Says that this process is there, keeps what it holds, and takes of what is free up to its
    /// share. Holding more than that, it leaves the rest out of its answer: it is to be released.
    pub(crate) async fn turn(self, pool: &PgPool, streams: &[String]) -> sqlx::Result<Vec<Held>> {
        let mut transaction = pool.begin().await?;
        let members = self.appear(&mut transaction).await?;
        let share = streams.len().div_ceil(members.max(1));
        let mut held = self.renew(&mut transaction, streams).await?;
        let wanted = share.saturating_sub(held.len());
        if wanted > 0 {
            held.extend(self.take(&mut transaction, streams, wanted).await?);
        }
        transaction.commit().await?;
        held.sort_by(|one, other| one.stream.cmp(&other.stream));
        held.truncate(share);
        Ok(held)
    }

    /// How many processes there are, this one included.
    async fn appear(self, connection: &mut PgConnection) -> sqlx::Result<usize> {
        sqlx::query(
            "insert into relay.process (id, seen_at) values ($1, now())
             on conflict (id) do update set seen_at = now()",
        )
        .bind(self.0)
        .execute(&mut *connection)
        .await?;
        sqlx::query("delete from relay.process where seen_at < now() - $1::interval")
            .bind(LEASE)
            .execute(&mut *connection)
            .await?;
        let count: i64 =
            sqlx::query_scalar("select count(*) from relay.process").fetch_one(connection).await?;
        Ok(usize::try_from(count).unwrap_or(1))
    }

    async fn renew(
        self,
        connection: &mut PgConnection,
        streams: &[String],
    ) -> sqlx::Result<Vec<Held>> {
        let rows = sqlx::query(
            "update relay.lease set held_until = now() + $3::interval
             where holder = $1 and stream = any($2) returning stream, epoch",
        );
        let rows = rows.bind(self.0).bind(streams).bind(LEASE).fetch_all(connection).await?;
        rows.into_iter().map(|row| held(&row)).collect()
    }

    async fn take(
        self,
        connection: &mut PgConnection,
        streams: &[String],
        most: usize,
    ) -> sqlx::Result<Vec<Held>> {
        let rows = sqlx::query(
            "update relay.lease
             set holder = $1, epoch = epoch + 1, held_until = now() + $3::interval
             where stream in (
                select stream from relay.lease
                where stream = any($2) and held_until < now()
                    and holder is distinct from $1
                order by stream limit $4 for update skip locked
             ) returning stream, epoch",
        );
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = rows.bind(self.0).bind(streams).bind(LEASE).bind(most);
        rows.fetch_all(connection).await?.into_iter().map(|row| held(&row)).collect()
    }

    /// Gives a stream back, so that others need not wait for the lease to run out.
    pub(crate) async fn release(self, pool: &PgPool, held: &Held) -> sqlx::Result<()> {
        sqlx::query(
            "update relay.lease set holder = null, held_until = '-infinity'
             where stream = $1 and holder = $2 and epoch = $3",
        )
        .bind(&held.stream)
        .bind(self.0)
        .bind(held.epoch)
        .execute(pool)
        .await
        .map(|_| ())
    }

    pub(crate) async fn leave(self, pool: &PgPool) -> sqlx::Result<()> {
        let query = sqlx::query("delete from relay.process where id = $1");
        query.bind(self.0).execute(pool).await.map(|_| ())
    }
}

/// Inside the transaction that moves the checkpoint. False: the stream has changed hands.
pub(crate) async fn still(
    connection: &mut PgConnection,
    stream: &str,
    epoch: Epoch,
) -> sqlx::Result<bool> {
    // Locked, so that it cannot change hands before the checkpoint has moved.
    let query = sqlx::query("select from relay.lease where stream = $1 and epoch = $2 for share");
    let row = query.bind(stream).bind(epoch).fetch_optional(connection).await?;
    Ok(row.is_some())
}

/// Who works on a stream at the moment; none if nobody does.
pub(crate) async fn holder(pool: &PgPool, stream: &str) -> sqlx::Result<Option<Holder>> {
    let query = sqlx::query(
        "select holder, epoch from relay.lease
         where stream = $1 and holder is not null and held_until >= now()",
    );
    let row = query.bind(stream).fetch_optional(pool).await?;
    row.map(|row| Ok(Holder { holder: row.try_get(0)?, epoch: row.try_get(1)? })).transpose()
}

fn held(row: &sqlx::postgres::PgRow) -> sqlx::Result<Held> {
    Ok(Held { stream: row.try_get(0)?, epoch: row.try_get(1)? })
}
