//! Reads everything a log or a backup holds. Memory does not grow with the log: that the index names
//! every record, each once, is told by a digest over both that does not depend on the order.

use std::fs::File;
use std::io::BufReader;
use std::ops::Bound;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::frames::{Frame, FrameError, FrameReader};
use super::{Extent, OperationError, PROGRESS_EVENTS, Progress, failed_at, io_at, open_unserved};
use crate::metadata;
use crate::store::format::{DELETED_REVISION, Hides, Record, StreamRow};
use crate::store::reader::Continuity;
use crate::store::tables::{Tables, View};
use crate::store::{Corrupt, StoreError};

/// Checks a log that nobody serves, or a backup file. In a log: each record's checksum, that `$all`
/// is in order with nothing missing, that the revisions of each stream have no gap, and that index
/// and streams agree with the records. In a backup: the first two, and that it is complete.
pub fn verify(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Extent, OperationError> {
    if path.is_file() {
        return verify_backup(path, progress);
    }
    let tables = open_unserved(path)?;
    let reached = tables.directory().reached().map_err(io_at(path))?;
    verify_tables(&tables, reached, progress).map_err(failed_at(path))
}

fn verify_backup(
    path: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Extent, OperationError> {
    let failed = |error| match error {
        FrameError::Io(source) => OperationError::Io { path: path.to_owned(), source },
        FrameError::CutShort => {
            OperationError::Damaged { path: path.to_owned(), place: "it is cut short".to_owned() }
        }
        FrameError::Damaged(place) | FrameError::Failure(place) => {
            OperationError::Damaged { path: path.to_owned(), place }
        }
    };
    let file = File::open(path).map_err(io_at(path))?;
    let mut frames = FrameReader::new(BufReader::new(file)).map_err(failed)?;
    let mut done = Progress::default();
    loop {
        match frames.next().map_err(failed)? {
            Frame::About(events_total) => done.events_total = events_total,
            Frame::Record(..) => done.events += 1,
            Frame::End(extent) => {
                progress(done);
                return Ok(extent);
            }
        }
        if done.events % PROGRESS_EVENTS == 0 {
            progress(done);
        }
    }
}

fn verify_tables(
    tables: &Tables,
    reached: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<Extent, StoreError> {
    let view = tables.view();
    let events_total = tables.events_about();
    // Every event is met twice: as a record, and in the index.
    let mut met = 0;
    let mut step = || {
        met += 1;
        if met % PROGRESS_EVENTS == 0 {
            progress(Progress { events: met / 2, events_total });
        }
    };
    let records = check_records(&view, &mut step)?;
    if records.extent.last_position.unwrap_or_default() < reached {
        let place = format!("position {reached}");
        return Err(Corrupt { place, problem: "the log ends before it, but had got there" }.into());
    }
    let (index, numbers) = check_index(&view, &mut step)?;
    if index != records.digest {
        find_difference(&view)?;
    }
    if check_streams(&view)? != numbers {
        let place = format!("{numbers} streams have events");
        return Err(Corrupt { place, problem: "not as many have a name" }.into());
    }
    progress(Progress { events: records.extent.events, events_total: records.extent.events });
    Ok(records.extent)
}

/// A set of (stream number, revision, position), in few bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Digest {
    sum: u128,
    count: u64,
}

impl Digest {
    fn add(&mut self, stream_number: u64, revision: u64, position: u64) {
        let numbers = [stream_number, revision, position].map(u64::to_be_bytes);
        self.sum = self.sum.wrapping_add(xxh3_128(numbers.as_flattened()));
        self.count += 1;
    }
}

struct Records {
    extent: Extent,
    digest: Digest,
}

fn check_records(view: &View<'_>, step: &mut impl FnMut()) -> Result<Records, StoreError> {
    let mut continuity = Continuity::from_the_start();
    let (mut extent, mut digest) = (Extent::default(), Digest::default());
    for record in view.records((Bound::Unbounded, Bound::Unbounded)) {
        let record = record.map_err(|error| match extent.last_position {
            Some(position) => behind(format!("position {position}"), error),
            None => behind("the start".to_owned(), error),
        })?;
        continuity.check(&record)?;
        extent.add(&record);
        digest.add(record.stream_number, record.revision, record.position);
        step();
    }
    Ok(Records { extent, digest })
}

/// That each stream's revisions rise from 0 without a gap, and its positions with them. Returns how
/// many stream numbers there are, too.
fn check_index(view: &View<'_>, step: &mut impl FnMut()) -> Result<(Digest, u64), StoreError> {
    let (mut digest, mut numbers) = (Digest::default(), 0);
    let mut last: Option<(u64, u64, u64)> = None;
    for row in view.index() {
        let (number, revision, position) = row.map_err(|error| match last {
            Some((number, revision, _)) => {
                behind(format!("revision {revision} of stream number {number} in the index"), error)
            }
            None => behind("the start of the index".to_owned(), error),
        })?;
        let expected = match last.filter(|(last_number, ..)| *last_number == number) {
            Some((_, last_revision, last_position)) if last_position < position => {
                last_revision.saturating_add(1)
            }
            Some(_) => return Err(bad_index(number, revision, "it lies before the one before it")),
            None => {
                numbers += 1;
                0
            }
        };
        if revision != expected && revision != DELETED_REVISION {
            return Err(bad_index(number, expected, "it is missing"));
        }
        digest.add(number, revision, position);
        last = Some((number, revision, position));
        step();
    }
    Ok((digest, numbers))
}

/// Index and records differ: looks up each in the other to say where.
fn find_difference(view: &View<'_>) -> Result<(), StoreError> {
    for record in view.records((Bound::Unbounded, Bound::Unbounded)) {
        let record = record?;
        let indexed = view.event(record.stream_number, record.revision)?;
        if indexed.is_none_or(|indexed| indexed.position != record.position) {
            let place = format!("position {}", record.position);
            return Err(Corrupt { place, problem: "the index does not name the record" }.into());
        }
    }
    for row in view.index() {
        let (number, revision, _) = row?;
        if view.event(number, revision)?.is_none() {
            return Err(bad_index(number, revision, "it is missing"));
        }
    }
    let place = "the index".to_owned();
    Err(Corrupt { place, problem: "it does not agree with the records" }.into())
}

/// That each row is that of the stream it numbers, and hides what the metadata says. Returns how
/// many streams have a number.
fn check_streams(view: &View<'_>) -> Result<u64, StoreError> {
    let mut numbers = 0;
    let mut earlier = String::new();
    for row in view.streams() {
        let (name, row) =
            row.map_err(|error| behind(format!("the row of stream {earlier:?}"), error))?;
        earlier.clone_from(&name);
        numbers += u64::from(row.stream_number > 0);
        check_stream(view, &name, &row)
            .map_err(|error| behind(format!("the last event of stream {name:?}"), error))?;
    }
    Ok(numbers)
}

fn check_stream(view: &View<'_>, name: &str, row: &StreamRow) -> Result<(), StoreError> {
    let wrong = |problem| Corrupt { place: format!("the row of stream {name:?}"), problem };
    let end = view.end(row.stream_number)?;
    let last = end.last_revision.or(end.tombstoned.then_some(DELETED_REVISION));
    if last.is_none() && row.stream_number > 0 {
        return Err(wrong("the events it names are missing").into());
    }
    let last = match last {
        Some(revision) => view.event(row.stream_number, revision)?,
        None => None,
    };
    if last.as_ref().is_some_and(|record| record.stream() != name) {
        return Err(wrong("it names the events of another stream").into());
    }
    check_hides(view, name, row, last.as_ref())
}

fn check_hides(
    view: &View<'_>,
    name: &str,
    row: &StreamRow,
    last: Option<&Record>,
) -> Result<(), StoreError> {
    let wrong = |name: &str| {
        let place = format!("the row of stream {name:?}");
        Corrupt { place, problem: "it does not hide what the stream's metadata says" }
    };
    if let (Some(described), Some(last)) = (metadata::described_by(name), last) {
        if view.stream(described)?.hides != metadata::hides(&last.data) {
            return Err(wrong(described).into());
        }
    } else if row.hides != Hides::default()
        && view.head(&metadata::stream_of(name))?.end.last_revision.is_none()
    {
        return Err(wrong(name).into());
    }
    Ok(())
}

/// What the engine cannot read it does not name, so the last that could be read does.
fn behind(place: String, error: StoreError) -> StoreError {
    let damaged =
        matches!(error, StoreError::Engine(_) | StoreError::Broken) && error.disk().is_none();
    if !damaged {
        return error;
    }
    tracing::error!("behind {place}: {error}");
    let problem = "the table there is damaged";
    Corrupt { place, problem }.into()
}

fn bad_index(number: u64, revision: u64, problem: &'static str) -> StoreError {
    let place = format!("revision {revision} of stream number {number}");
    Corrupt { place, problem }.into()
}
