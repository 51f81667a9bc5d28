//! Applying events to the tables of a build, around those that do not fit.

use std::collections::{BTreeMap, HashSet};

use domain::event::Revision;
use domain::{DomainEvent, Recorded};
use eventlog::parking::{self, Unfit};
use sqlx::{Connection, PgConnection};

use crate::Registered;
use crate::build::Build;
use crate::fault::Fault;
use crate::projection::Changed;
use crate::schema;

/// How much care a batch needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// All at once; an event that does not fit fails the transaction.
    None,
    /// Whatever fits; the stream of an event that does not is parked.
    Around,
}

/// Brings the tables of a build on by a batch, inside the transaction that moves its checkpoint.
/// Events of parked streams queue up.
pub(crate) async fn write(
    projection: &Registered,
    build: &Build,
    db: &mut PgConnection,
    batch: &[Recorded<DomainEvent>],
    care: Care,
) -> sqlx::Result<Changed> {
    if batch.is_empty() {
        return Ok(Changed::default());
    }
    let follower = build.checkpoint();
    let mut parked = parking::streams(&mut *db, &follower).await?;
    schema::enter(db, &build.schema()).await?;
    if care == Care::None && parked.is_empty() {
        return (projection.apply)(db, batch).await;
    }
    let outcome = around(projection, db, batch, &mut parked).await?;
    for unfit in &outcome.unfit {
        park(db, &follower, unfit).await?;
    }
    parking::queue(db, &follower, &outcome.behind).await?;
    Ok(outcome.changed)
}

/// Parks the stream of an event, or lets the event queue up when the stream is parked already.
pub(crate) async fn park(db: &mut PgConnection, follower: &str, unfit: &Unfit) -> sqlx::Result<()> {
    if parking::find(db, follower, &unfit.stream).await?.is_some() {
        let behind = BTreeMap::from([(unfit.stream.clone(), (1, unfit.revision))]);
        return parking::queue(db, follower, &behind).await;
    }
    parking::park(db, follower, unfit).await?;
    metrics::counter!("projection_parked_total", "follower" => follower.to_owned()).increment(1);
    tracing::error!(
        follower,
        stream = unfit.stream,
        revision = unfit.revision.0,
        event = unfit.event_type,
        error = unfit.error,
        "an event does not fit; its stream is parked until `ticketing projectors park` lets it in"
    );
    Ok(())
}

/// What became of events that were applied with care.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) changed: Changed,
    pub(crate) unfit: Vec<Unfit>,
    /// By parked stream: how many events have passed by behind its first, and the last of them.
    pub(crate) behind: BTreeMap<String, (u64, Revision)>,
}

/// Applies all events that fit and whose streams are not parked. What fails is halved until the one
/// is found that does not fit; its stream is parked from there on.
pub(crate) async fn around(
    projection: &Registered,
    db: &mut PgConnection,
    events: &[Recorded<DomainEvent>],
    parked: &mut HashSet<String>,
) -> sqlx::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut slices = vec![events];
    while let Some(slice) = slices.pop() {
        let let_in: Vec<_>;
        let fit = if parked.is_empty() {
            slice
        } else {
            let free = slice.iter().filter(|record| !parked.contains(&record.stream));
            let_in = free.cloned().collect();
            &let_in
        };
        match apply_within(projection, db, fit).await {
            Ok(changed) => outcome.changed.extend(changed),
            Err(error) if Fault::of(&error) != Fault::Unfit => return Err(error),
            Err(_) if slice.len() > 1 => {
                let (first, second) = slice.split_at(slice.len() / 2);
                slices.extend([second, first]);
                continue;
            }
            Err(error) => {
                outcome.unfit.extend(slice.first().map(|record| unfit(record, &error)));
                parked.extend(slice.first().map(|record| record.stream.clone()));
                continue;
            }
        }
        outcome.pass(slice.iter().filter(|record| parked.contains(&record.stream)));
    }
    Ok(outcome)
}

/// In a savepoint, so that a failure leaves nothing behind.
async fn apply_within(
    projection: &Registered,
    db: &mut PgConnection,
    events: &[Recorded<DomainEvent>],
) -> sqlx::Result<Changed> {
    if events.is_empty() {
        return Ok(Changed::default());
    }
    let mut savepoint = db.begin().await?;
    match (projection.apply)(&mut savepoint, events).await {
        Ok(changed) => {
            savepoint.commit().await?;
            Ok(changed)
        }
        Err(error) => {
            savepoint.rollback().await?;
            Err(error)
        }
    }
}

fn unfit(record: &Recorded<DomainEvent>, error: &sqlx::Error) -> Unfit {
    Unfit {
        stream: record.stream.clone(),
        revision: record.revision,
        position: record.position,
        event_type: record.event_type.clone(),
        error: error.to_string(),
    }
}

impl Outcome {
    fn pass<'a>(&mut self, events: impl Iterator<Item = &'a Recorded<DomainEvent>>) {
        for record in events {
            let (count, last) =
                self.behind.entry(record.stream.clone()).or_insert((0, record.revision));
            *count += 1;
            *last = record.revision;
        }
    }
}
