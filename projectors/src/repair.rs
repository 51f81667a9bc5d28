//! Making the rows of one aggregate anew, while everything goes on.

use domain::event::Revision;
use eventlog::{EventLog, parking};
use sqlx::PgPool;
use uuid::Uuid;

use crate::build::{Build, Part};
use crate::history::Histories;
use crate::projection::Changed;
use crate::{Error, Registered, schema, select, trace};

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Repaired {
    pub name: &'static str,
    /// From how many events the rows were made.
    pub events: u64,
}

/// Removes the rows of an aggregate, by the name of its stream, and makes them anew from its events
/// as far as the projection has followed the log; its projectors wait meanwhile. If the stream was
/// parked, it is let in. Of no named projection: in all whose rows follow from such streams alone.
///
/// # Errors
/// [`Error::NotByAggregate`] when a named projection's rows follow from several streams.
pub async fn repair(
    log: &EventLog,
    pool: &PgPool,
    names: &[String],
    stream: &str,
) -> Result<Vec<Repaired>, Error> {
    let mut repaired = Vec::new();
    for projection in select(names)? {
        if projection.rows.iter().any(|rows| rows.condition(stream).is_some()) {
            repaired.push(repair_one(log, pool, projection, stream).await?);
        } else if !names.is_empty() {
            return Err(Error::NotByAggregate(projection.name));
        }
    }
    if repaired.iter().all(|it| it.events == 0) {
        return Err(Error::NoStream(stream.to_owned()));
    }
    Ok(repaired)
}

async fn repair_one(
    log: &EventLog,
    pool: &PgPool,
    projection: Registered,
    stream: &str,
) -> Result<Repaired, Error> {
    let Registered { name, version, .. } = projection;
    let mut transaction = pool.begin().await?;
    let kept = Build::find(&mut *transaction, name, version, Part::Kept).await?;
    let kept = kept.ok_or(Error::NotInstalled(name))?;
    let reached = schema::lock_checkpoint(&mut transaction, &kept).await?;
    schema::enter(&mut transaction, &kept.schema()).await?;
    trace::delete(&mut transaction, &kept.schema(), projection.rows, stream).await?;
    let mut histories = Histories::new(log, stream, Revision(0));
    let (mut events, mut changed) = (0, Changed::default());
    while let Some(page) = histories.next().await? {
        let known = page.partition_point(|record| Some(record.position) <= reached);
        let page = page.get(..known).unwrap_or_default();
        if page.is_empty() {
            break;
        }
        changed.extend((projection.apply)(&mut transaction, page).await?);
        events += u64::try_from(known).unwrap_or(u64::MAX);
    }
    parking::release(&mut transaction, &kept.checkpoint(), stream).await?;
    if let Some(reached) = reached {
        // Also when nothing is left of the aggregate.
        changed.extend(
            stream
                .split_once('-')
                .and_then(|(_, id)| Uuid::parse_str(id).ok())
                .into_iter()
                .collect(),
        );
        schema::announce(&mut transaction, &kept, reached, &changed).await?;
    }
    transaction.commit().await?;
    Ok(Repaired { name, events })
}
