//! Pages of events. A page is small, so that a read neither blocks long nor holds much memory; the
//! caller comes back with where the last page ended.

use std::ops::Bound;
use std::time::{SystemTime, UNIX_EPOCH};

use super::format::{FIRST_POSITION, Head, Record};
use super::tables::View;
use super::{Corrupt, StoreError};
use crate::filter::Filter;
use crate::limits::{PAGE_CONSIDERED_MAX, PAGE_EVENTS_MAX};
use crate::metadata;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Direction {
    Forwards,
    Backwards,
}

/// What a reader of a stream finds before any event.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// Never written, or soft-deleted.
    Nothing,
    /// Ended for ever.
    Tombstone,
    Stream(Head),
}

/// One event looked at; `record` only if the filter let it pass.
pub(crate) struct Seen {
    pub(crate) position: u64,
    pub(crate) record: Option<Record>,
}

/// How much a page may still hold.
pub(crate) struct Room {
    events: usize,
    bytes: usize,
    considered: usize,
    /// What was put into the page.
    taken_bytes: usize,
}

impl Room {
    pub(crate) fn for_bytes(bytes: usize) -> Self {
        Self { events: PAGE_EVENTS_MAX, bytes, considered: PAGE_CONSIDERED_MAX, taken_bytes: 0 }
    }

    /// What the page takes in memory.
    pub(crate) fn taken_bytes(&self) -> usize {
        self.taken_bytes
    }

    fn limit_events(&mut self, count: u64) {
        self.events = self.events.min(usize::try_from(count).unwrap_or(usize::MAX));
    }

    fn is_full(&self) -> bool {
        [self.events, self.bytes, self.considered].contains(&0)
    }

    fn consider(&mut self) {
        self.considered = self.considered.saturating_sub(1);
    }

    fn put(&mut self, record: &Record) {
        let bytes = record.size();
        self.events = self.events.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.taken_bytes += bytes;
    }
}

/// Consecutive events of the log.
pub(crate) struct AllPage {
    pub(crate) seen: Vec<Seen>,
    /// Whether the range was read to its end.
    pub(crate) exhausted: bool,
}

/// Consecutive visible events of a stream.
pub(crate) struct StreamPage {
    pub(crate) records: Vec<Record>,
    /// The last revision looked at; absent if there was none.
    pub(crate) last_revision: Option<u64>,
    pub(crate) exhausted: bool,
}

/// Looks a stream up as a reader may see it.
pub(crate) fn find(view: &View<'_>, stream: &str) -> Result<Found, StoreError> {
    let head = view.head(stream)?;
    let described_tombstoned = match metadata::described_by(stream) {
        Some(described) => view.head(described)?.end.tombstoned,
        None => false,
    };
    if head.end.tombstoned || described_tombstoned {
        return Ok(Found::Tombstone);
    }
    if head.end.last_revision.is_none() || head.soft_deleted() {
        return Ok(Found::Nothing);
    }
    Ok(Found::Stream(with_own_limits(stream, head)))
}

/// Of a metadata stream only the last event counts.
fn with_own_limits(stream: &str, mut head: Head) -> Head {
    if metadata::described_by(stream).is_some() {
        let hides = &mut head.row.hides;
        hides.count_max = Some(hides.count_max.map_or(1, |count_max| count_max.min(1)));
    }
    head
}

/// Checks that no record is missing between those read one after another.
pub(crate) struct Continuity {
    /// Where the next record must lie, if that is known.
    next_position: Option<u64>,
}

impl Continuity {
    pub(crate) fn unknown() -> Self {
        Self { next_position: None }
    }

    /// Nothing was read yet, and nothing may lie before the first record.
    pub(crate) fn from_the_start() -> Self {
        Self { next_position: Some(FIRST_POSITION) }
    }

    /// Takes the next record towards the end of the log.
    pub(crate) fn check(&mut self, record: &Record) -> Result<(), Corrupt> {
        let expected = self.next_position.replace(record.next_position);
        match expected {
            Some(position) if position != record.position => Err(missing(position)),
            Some(_) | None => Ok(()),
        }
    }
}

/// The events of a range of positions, at most `count` that pass the filter.
pub(crate) fn all_page(
    view: &View<'_>,
    range: (Bound<u64>, Bound<u64>),
    direction: Direction,
    filter: &Filter,
    count: u64,
    room: &mut Room,
) -> Result<AllPage, StoreError> {
    let mut page = AllPage { seen: Vec::new(), exhausted: true };
    if is_empty(range) {
        return Ok(page);
    }
    room.limit_events(count);
    for record in records(view, range, direction) {
        if room.is_full() {
            page.exhausted = false;
            break;
        }
        let record = record?;
        let position = record.position;
        room.consider();
        let passes = filter.passes(&record);
        if passes {
            room.put(&record);
        }
        page.seen.push(Seen { position, record: passes.then_some(record) });
    }
    Ok(page)
}

type Records<'v> = Box<dyn Iterator<Item = Result<Record, StoreError>> + 'v>;

/// The records of a range, each checked to follow the one before.
fn records<'v>(
    view: &'v View<'_>,
    (first, last): (Bound<u64>, Bound<u64>),
    direction: Direction,
) -> Records<'v> {
    match direction {
        Direction::Forwards => {
            // The last page ended with the record at the excluded position: it says where this page
            // begins, and is left out of it.
            let (from, skipped) = match first {
                Bound::Excluded(position) => (Bound::Included(position), Some(position)),
                Bound::Included(_) | Bound::Unbounded => (first, None),
            };
            let mut continuity = Continuity::unknown();
            let checked = view.records((from, last)).map(move |record| {
                let record = record?;
                continuity.check(&record)?;
                Ok(record)
            });
            Box::new(checked.filter(move |record| {
                !record.as_ref().is_ok_and(|record| Some(record.position) == skipped)
            }))
        }
        Direction::Backwards => {
            let mut later = None;
            Box::new(view.records((first, last)).rev().map(move |record| {
                let record = record?;
                match later.replace(record.position) {
                    Some(later) if later != record.next_position => {
                        Err(missing(record.next_position).into())
                    }
                    Some(_) | None => Ok(record),
                }
            }))
        }
    }
}

fn missing(position: u64) -> Corrupt {
    Corrupt { place: format!("position {position}"), problem: "the record there is missing" }
}

/// The visible events of a stream from `revision` on, in either direction, at most `count`.
pub(crate) fn stream_page(
    view: &View<'_>,
    head: &Head,
    revision: u64,
    direction: Direction,
    count: u64,
    room: &mut Room,
) -> Result<StreamPage, StoreError> {
    let mut page = StreamPage { records: Vec::new(), last_revision: None, exhausted: true };
    let Some(last) = head.end.last_revision else { return Ok(page) };
    let revisions = match direction {
        Direction::Forwards => revision.max(head.first_visible())..=last,
        Direction::Backwards => head.first_visible()..=revision.min(last),
    };
    if revisions.is_empty() {
        return Ok(page);
    }
    let events = view.events(head.row.stream_number, revisions.clone());
    let events: Box<dyn Iterator<Item = _>> = match direction {
        Direction::Forwards => Box::new(events),
        Direction::Backwards => Box::new(events.rev()),
    };
    let oldest_ticks = oldest_visible_ticks(head);
    room.limit_events(count);
    let mut expected = match direction {
        Direction::Forwards => *revisions.start(),
        Direction::Backwards => *revisions.end(),
    };
    for record in events {
        if room.is_full() {
            page.exhausted = false;
            break;
        }
        let record = record?;
        if record.revision != expected {
            return Err(gap(head, expected).into());
        }
        expected = match direction {
            Direction::Forwards => expected.saturating_add(1),
            Direction::Backwards => expected.saturating_sub(1),
        };
        room.consider();
        page.last_revision = Some(record.revision);
        if record.created_ticks >= oldest_ticks {
            room.put(&record);
            page.records.push(record);
        }
    }
    let end = match direction {
        Direction::Forwards => *revisions.end(),
        Direction::Backwards => *revisions.start(),
    };
    if page.exhausted && page.last_revision != Some(end) {
        return Err(gap(head, end).into());
    }
    Ok(page)
}

fn gap(head: &Head, revision: u64) -> Corrupt {
    let place = format!("revision {revision} of stream number {}", head.row.stream_number);
    Corrupt { place, problem: "the event there is missing" }
}

/// Ticks of the oldest event that `$maxAge` leaves to be seen.
fn oldest_visible_ticks(head: &Head) -> u64 {
    const TICKS_PER_SECOND: u64 = 10_000_000;
    let Some(seconds) = head.row.hides.age_seconds_max else { return 0 };
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.as_secs().saturating_sub(seconds).saturating_mul(TICKS_PER_SECOND)
}

/// Whether no position can lie in the range; the engine must not be asked for one.
fn is_empty(range: (Bound<u64>, Bound<u64>)) -> bool {
    let first = match range.0 {
        Bound::Included(position) => Some(position),
        Bound::Excluded(position) => position.checked_add(1),
        Bound::Unbounded => Some(0),
    };
    let last = match range.1 {
        Bound::Included(position) => Some(position),
        Bound::Excluded(position) => position.checked_sub(1),
        Bound::Unbounded => Some(u64::MAX),
    };
    match (first, last) {
        (Some(first), Some(last)) => first > last,
        (None, _) | (_, None) => true,
    }
}
