//! The rules, as plainly as they can be said: everything in vectors, nothing on disk.

use eventstore::StreamState;
use uuid::Uuid;

use crate::Expected;

/// The `$tb` of a stream that is deleted but may be written again.
const DELETED: u64 = i64::MAX.unsigned_abs();

/// How a write ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// The stream's revision that the answer tells; none where nothing was proposed.
    Done(Option<u64>),
    WrongExpected,
    Deleted,
}

/// What a read finds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    Events(Vec<(u64, Uuid)>),
    Nothing,
    Deleted,
}

/// The keys of a metadata event that mean something.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Description {
    pub(crate) max_count: Option<u64>,
    pub(crate) truncate_before: Option<u64>,
}

/// One event of `$all`: its stream, whether that is the metadata stream, its revision.
pub(crate) type Placed = (usize, bool, u64);

#[derive(Clone, Default)]
struct Stream {
    ids: Vec<Uuid>,
    descriptions: Vec<Description>,
    tombstoned: bool,
}

pub(crate) struct Model {
    streams: Vec<Stream>,
    all: Vec<Placed>,
}

impl Stream {
    fn described(&self) -> Description {
        self.descriptions.last().copied().unwrap_or_default()
    }

    fn deleted(&self) -> bool {
        self.described().truncate_before == Some(DELETED)
    }

    fn next(&self) -> u64 {
        self.ids.len() as u64
    }

    /// Where that event was written last.
    fn place(&self, id: Uuid) -> Option<u64> {
        self.ids.iter().rposition(|known| *known == id).map(|at| at as u64)
    }

    /// Where the events are, if all were written; an error if only the first ones were.
    fn known(&self, ids: &[Uuid]) -> Result<Option<u64>, Outcome> {
        let places: Vec<Option<u64>> = ids.iter().map(|id| self.place(*id)).collect();
        match places.first() {
            None | Some(None) => Ok(None),
            Some(Some(_)) if places.contains(&None) => Err(Outcome::WrongExpected),
            Some(Some(_)) => Ok(places.last().copied().flatten()),
        }
    }

    /// `Ok(None)` if the write may be made; `Ok(Some)` if it was made before, with its revision.
    fn check(&self, expected: Expected, ids: &[Uuid]) -> Result<Option<u64>, Outcome> {
        if self.tombstoned {
            return Err(Outcome::Deleted);
        }
        let first = match expected {
            Expected::Any => return self.known(ids),
            Expected::Exists if self.deleted() => return Err(Outcome::Deleted),
            Expected::Exists if self.ids.is_empty() && self.descriptions.is_empty() => {
                return Err(Outcome::WrongExpected);
            }
            Expected::Exists => return self.known(ids),
            Expected::NoStream => 0,
            Expected::Back(back) => exact(self.next(), back) + 1,
        };
        if first == self.next() {
            return Ok(None);
        }
        let there = self.ids.get(usize::try_from(first).unwrap()..).unwrap_or_default();
        if first < self.next() && !ids.is_empty() && there.starts_with(ids) {
            return Ok(Some(first + ids.len() as u64 - 1));
        }
        // A stream that was deleted may be begun anew.
        let differs = !ids.is_empty() && there.first() != ids.first();
        if matches!(expected, Expected::NoStream) && self.deleted() && differs {
            return Ok(None);
        }
        Err(Outcome::WrongExpected)
    }

    /// Whether the stream may be ended.
    fn check_end(&self, expected: Expected) -> Result<(), Outcome> {
        let anew = matches!(expected, Expected::NoStream) && self.deleted() && !self.tombstoned;
        if anew { Ok(()) } else { self.check(expected, &[]).map(drop) }
    }
}

/// The revision that lies so far back from the last of `next` events.
fn exact(next: u64, back: i64) -> u64 {
    u64::try_from(i64::try_from(next).unwrap() - 1 - back).unwrap_or(0)
}

impl Model {
    pub(crate) fn new(streams: usize) -> Self {
        Self { streams: vec![Stream::default(); streams], all: Vec::new() }
    }

    pub(crate) fn id_back(&self, stream: usize, back: usize) -> Option<Uuid> {
        let ids = &self.streams[stream].ids;
        ids.len().checked_sub(back + 1).map(|at| ids[at])
    }

    /// What the client is to say.
    pub(crate) fn state(&self, stream: usize, expected: Expected) -> StreamState {
        match expected {
            Expected::Any => StreamState::Any,
            Expected::NoStream => StreamState::NoStream,
            Expected::Exists => StreamState::StreamExists,
            Expected::Back(back) => {
                StreamState::StreamRevision(exact(self.streams[stream].next(), back))
            }
        }
    }

    pub(crate) fn append(&mut self, stream: usize, expected: Expected, ids: &[Uuid]) -> Outcome {
        let state = &self.streams[stream];
        match state.check(expected, ids) {
            Err(outcome) => return outcome,
            Ok(Some(revision)) => return Outcome::Done(Some(revision)),
            Ok(None) if ids.is_empty() => return Outcome::Done(None),
            Ok(None) => {}
        }
        if state.deleted() {
            self.revive(stream);
        }
        for id in ids {
            let state = &mut self.streams[stream];
            self.all.push((stream, false, state.next()));
            state.ids.push(*id);
        }
        Outcome::Done(self.streams[stream].next().checked_sub(1))
    }

    pub(crate) fn delete(&mut self, stream: usize, expected: Expected) -> Outcome {
        if let Err(outcome) = self.streams[stream].check_end(expected) {
            return outcome;
        }
        self.put(stream, Description { truncate_before: Some(DELETED), max_count: None });
        Outcome::Done(None)
    }

    pub(crate) fn tombstone(&mut self, stream: usize, expected: Expected) -> Outcome {
        if let Err(outcome) = self.streams[stream].check_end(expected) {
            return outcome;
        }
        self.streams[stream].tombstoned = true;
        self.all.push((stream, false, DELETED));
        Outcome::Done(None)
    }

    pub(crate) fn describe(
        &mut self,
        stream: usize,
        max_count: Option<u64>,
        truncate_before: Option<u64>,
    ) -> Outcome {
        if self.streams[stream].tombstoned {
            return Outcome::Deleted;
        }
        let deleted = self.streams[stream].deleted();
        self.put(stream, Description { max_count, truncate_before });
        if deleted {
            self.revive(stream);
        }
        Outcome::Done(None)
    }

    /// The same description again, but that the stream is seen from its next event on.
    fn revive(&mut self, stream: usize) {
        let state = &self.streams[stream];
        let next = Some(state.next());
        self.put(stream, Description { truncate_before: next, ..state.described() });
    }

    fn put(&mut self, stream: usize, description: Description) {
        let descriptions = &mut self.streams[stream].descriptions;
        self.all.push((stream, true, descriptions.len() as u64));
        descriptions.push(description);
    }

    pub(crate) fn read(&self, stream: usize, from: u64, forwards: bool, count: usize) -> Found {
        let state = &self.streams[stream];
        if state.tombstoned {
            return Found::Deleted;
        }
        if state.ids.is_empty() || state.deleted() {
            return Found::Nothing;
        }
        let Description { max_count, truncate_before } = state.described();
        let by_count = max_count.map_or(0, |max_count| state.next().saturating_sub(max_count));
        let first = truncate_before.unwrap_or(0).max(by_count);
        let seen = (0..state.next()).zip(state.ids.iter().copied());
        let seen = seen.filter(|(revision, _)| *revision >= first);
        Found::Events(if forwards {
            seen.filter(|(revision, _)| *revision >= from).take(count).collect()
        } else {
            let mut seen: Vec<_> = seen.filter(|(revision, _)| *revision <= from).collect();
            seen.reverse();
            seen.truncate(count);
            seen
        })
    }

    /// `Err` if the stream is ended for ever.
    pub(crate) fn metadata(&self, stream: usize) -> Result<Description, ()> {
        let state = &self.streams[stream];
        if state.tombstoned { Err(()) } else { Ok(state.described()) }
    }

    pub(crate) fn all(&self) -> Vec<Placed> {
        self.all.clone()
    }
}
