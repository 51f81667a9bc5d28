//! Naming the first aggregate and event that tables are off by.

use std::collections::BTreeSet;

use domain::event::Revision;
use domain::{DomainEvent, Position, Recorded};
use eventlog::EventLog;
use serde::Serialize;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::build::Build;
use crate::compare::Difference;
use crate::feed::Sink;
use crate::projection::RowsOf;
use crate::scratch::Scratch;
use crate::{Error, apply};

/// A longer history is not folded again event by event.
const EVENTS_MAX: usize = 2_000;

/// The first aggregate that is off, in the order of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FirstOff {
    pub stream: String,
    /// None when its history is too long to be folded one by one, or it has none.
    pub event: Option<EventOff>,
}

/// Where the rows of an aggregate part from its history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventOff {
    pub revision: Revision,
    pub event_type: String,
    pub position: Position,
    /// The rows are as they were before this event. Otherwise they were never so as they are now,
    /// and this is the last event they should follow from.
    pub missing: bool,
}

/// None when nothing is off, or rows do not follow from one aggregate each.
pub(crate) async fn first_off(
    log: &EventLog,
    scratch: &mut Scratch,
    build: &Build,
    differences: &[Difference],
) -> Result<Option<FirstOff>, Error> {
    let rows = scratch.projection.rows;
    if let Some(difference) = differences.iter().find(|it| event_of(it, rows).is_some()) {
        return Ok(event_of(difference, rows));
    }
    let streams: BTreeSet<String> =
        differences.iter().filter_map(|it| stream_of(it, rows)).collect();
    let mut first: Option<FirstOff> = None;
    for stream in streams {
        let event = event_off(log, scratch, build, &stream).await?;
        let position = |off: &FirstOff| off.event.as_ref().map(|event| event.position);
        let off = FirstOff { stream, event };
        if first.as_ref().is_none_or(|first| position(&off) < position(first)) {
            first = Some(off);
        }
    }
    Ok(first)
}

/// A row that is an event says so itself.
fn event_of(difference: &Difference, rows: &[RowsOf]) -> Option<FirstOff> {
    rows.iter().find(|it| it.table == difference.table && it.category.is_none())?;
    let row = difference.expected.as_ref().or(difference.found.as_ref())?;
    let number = |column: &str| row.get(column).and_then(Value::as_u64);
    let text = |column: &str| row.get(column).and_then(Value::as_str).map(str::to_owned);
    let position =
        Position { commit: number("commit_position")?, prepare: number("prepare_position")? };
    let event = EventOff {
        revision: Revision(number("revision")?),
        event_type: text("event")?,
        position,
        missing: difference.found.is_none(),
    };
    Some(FirstOff { stream: text("stream")?, event: Some(event) })
}

fn stream_of(difference: &Difference, rows: &[RowsOf]) -> Option<String> {
    let of = rows.iter().find(|it| it.table == difference.table)?;
    let row = difference.expected.as_ref().or(difference.found.as_ref())?;
    let id = row.get(of.column)?.as_str()?;
    Some(of.category.map_or_else(|| id.to_owned(), |category| format!("{category}-{id}")))
}

/// Folds the aggregate again, and looks after each event whether its rows are those that are found.
async fn event_off(
    log: &EventLog,
    scratch: &mut Scratch,
    build: &Build,
    stream: &str,
) -> Result<Option<EventOff>, Error> {
    let history = log.history(stream, Revision(0), EVENTS_MAX).await?;
    let until = scratch.until();
    let events: Vec<_> =
        history.events.into_iter().filter(|record| record.position <= until).collect();
    if events.len() == EVENTS_MAX {
        return Ok(None);
    }
    let (schemas, rows) = ([scratch.schema.clone(), build.schema()], scratch.projection.rows);
    delete(&mut scratch.transaction, &schemas[0], rows, stream).await?;
    let mut was_equal = equal(&mut scratch.transaction, &schemas, rows, stream).await?.then_some(0);
    for (number, record) in (1..).zip(&events) {
        let event = std::slice::from_ref(record);
        let mut parked = std::collections::HashSet::new();
        apply::around(&scratch.projection, &mut scratch.transaction, event, &mut parked).await?;
        if equal(&mut scratch.transaction, &schemas, rows, stream).await? {
            was_equal = Some(number);
        }
    }
    let off = match was_equal {
        Some(number) => events.get(number),
        None => events.last(),
    };
    Ok(off.map(|record| EventOff::at(record, was_equal.is_some())))
}

impl EventOff {
    fn at(record: &Recorded<DomainEvent>, missing: bool) -> Self {
        Self {
            revision: record.revision,
            event_type: record.event_type.clone(),
            position: record.position,
            missing,
        }
    }
}

/// Removes the rows of an aggregate.
pub(crate) async fn delete(
    db: &mut PgConnection,
    schema: &str,
    rows: &[RowsOf],
    stream: &str,
) -> sqlx::Result<()> {
    for of in rows {
        let Some((condition, id)) = of.condition(stream) else { continue };
        let delete = format!("DELETE FROM {schema}.{} WHERE {condition}", of.table);
        sqlx::query(AssertSqlSafe(delete)).bind(id).execute(&mut *db).await?;
    }
    Ok(())
}

/// Whether an aggregate has the same rows in both schemas.
async fn equal(
    db: &mut PgConnection,
    [one, other]: &[String; 2],
    rows: &[RowsOf],
    stream: &str,
) -> sqlx::Result<bool> {
    for of in rows {
        let Some((condition, id)) = of.condition(stream) else { continue };
        let part = |schema: &str| format!("SELECT * FROM {schema}.{} WHERE {condition}", of.table);
        let (one, other) = (part(one), part(other));
        let query = format!(
            "SELECT NOT EXISTS (({one}) EXCEPT ({other})) AND NOT EXISTS (({other}) EXCEPT ({one}))"
        );
        let same: bool =
            sqlx::query_scalar(AssertSqlSafe(query)).bind(id).fetch_one(&mut *db).await?;
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

impl RowsOf {
    /// What singles out the rows of an aggregate, and what to bind in it; none if the stream is of
    /// another kind.
    pub(crate) fn condition(&self, stream: &str) -> Option<(String, String)> {
        let Some(category) = self.category else {
            return Some((format!("{} = $1", self.column), stream.to_owned()));
        };
        let id = stream.strip_prefix(category)?.strip_prefix('-')?;
        Some((format!("{} = $1::uuid", self.column), id.to_owned()))
    }
}
