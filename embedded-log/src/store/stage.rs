//! What one write does to the log: the checks of the expected revision, and the rows it leads to.
//!
//! Writes are decided one after another against the tables and what earlier writes of the same group
//! staged. Nothing is visible to anyone before the whole group is on disk.

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use uuid::Uuid;

use super::StoreError;
use super::changed::ChangedStreams;
use super::format::{DELETED_REVISION, Head, NewRecord, after};
use super::subscribers::Subscribers;
use super::tables::{Rows, Tables, View};
use super::write::{Change, Expected, Proposed, Write, WriteError, Written};
use super::writer::Memory;
use crate::metadata;

/// The type of the event that ends a stream for ever.
const TOMBSTONE_TYPE: &str = "$streamDeleted";

/// Writes decided but not yet on disk.
pub(crate) struct Stage<'w> {
    tables: &'w Tables,
    view: &'w View<'w>,
    memory: &'w mut Memory,
    created_ticks: u64,
    rows: Rows,
    streams: ChangedStreams,
    events: HashMap<(u64, u64), StagedEvent>,
    count: EventCount,
}

/// A whole group of writes, decided.
pub(crate) struct Staged {
    rows: Rows,
    streams: ChangedStreams,
    pub(crate) events: EventCount,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EventCount {
    pub(crate) count: u64,
    pub(crate) last_position: Option<u64>,
}

/// What later writes of the same group may ask about an event.
struct StagedEvent {
    id: Uuid,
    position: u64,
    data: Bytes,
}

impl Staged {
    /// Makes the group durable, then lets the writer's caches and the followers of its streams know.
    pub(crate) fn commit(
        mut self,
        memory: &mut Memory,
        subscribers: &Subscribers,
    ) -> Result<(), StoreError> {
        if !self.rows.is_empty() {
            let started = Instant::now();
            self.rows.commit()?;
            metrics::histogram!("log_sync_seconds").record(started.elapsed());
        }
        subscribers.tell(self.streams.names());
        for (stream, head) in self.streams.drain() {
            memory.heads.insert(stream, head);
        }
        Ok(())
    }
}

impl<'w> Stage<'w> {
    pub(crate) fn new(
        tables: &'w Tables,
        view: &'w View<'w>,
        memory: &'w mut Memory,
        now_ticks: u64,
    ) -> Self {
        // A clock set back must not make a later event look older than an earlier one.
        let created_ticks = now_ticks.max(memory.last_ticks);
        memory.last_ticks = created_ticks;
        let (streams, events) = (ChangedStreams::default(), HashMap::new());
        let (rows, count) = (tables.rows(), EventCount::default());
        Self { tables, view, memory, created_ticks, rows, streams, events, count }
    }

    /// Decides one write. On an error nothing of it is staged.
    pub(crate) fn apply(&mut self, write: Write) -> Result<Written, WriteError> {
        if write.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(WriteError::Expired);
        }
        let head = self.living_head(&write.stream)?;
        match write.change {
            Change::Append(events) => self.append(&write.stream, &head, write.expected, events),
            Change::SoftDelete => self.soft_delete(&write.stream, &head, write.expected),
            Change::Tombstone => self.tombstone(&write.stream, &head, write.expected),
        }
    }

    pub(crate) fn finish(mut self) -> Staged {
        self.streams.put_rows(self.tables, &mut self.rows);
        Staged { rows: self.rows, streams: self.streams, events: self.count }
    }

    fn append(
        &mut self,
        stream: &str,
        head: &Head,
        expected: Expected,
        events: Vec<Proposed>,
    ) -> Result<Written, WriteError> {
        if let Some(earlier) = self.check(stream, head, expected, &events)? {
            return Ok(earlier);
        }
        if events.is_empty() {
            return Ok(Written { revision: head.end.last_revision, position: None });
        }
        // Read before anything is staged: a failed read must leave nothing behind.
        let revived = match metadata::described_by(stream) {
            Some(described) => self.head(described)?.soft_deleted(),
            None => head.soft_deleted(),
        };
        let old_metadata = if revived && metadata::described_by(stream).is_none() {
            self.last_metadata(stream)?
        } else {
            Bytes::new()
        };
        let last_event_data = events.last().map(|event| event.data.clone()).unwrap_or_default();
        if revived && metadata::described_by(stream).is_none() {
            self.revive(stream, &old_metadata)?;
        }
        let mut written = Written { revision: None, position: None };
        for event in events {
            written = self.put(stream, &event)?;
        }
        if let (true, Some(described)) = (revived, metadata::described_by(stream))
            && !self.head(described)?.soft_deleted()
        {
            self.revive(described, &last_event_data)?;
        }
        Ok(written)
    }

    fn soft_delete(
        &mut self,
        stream: &str,
        head: &Head,
        expected: Expected,
    ) -> Result<Written, WriteError> {
        self.check_end(stream, head, expected)?;
        let marker = metadata::with_truncate_before(b"", DELETED_REVISION);
        self.put_metadata(stream, marker)
    }

    fn tombstone(
        &mut self,
        stream: &str,
        head: &Head,
        expected: Expected,
    ) -> Result<Written, WriteError> {
        self.check_end(stream, head, expected)?;
        let event = Proposed {
            id: Uuid::new_v4(),
            event_type: TOMBSTONE_TYPE.to_owned(),
            json: false,
            metadata: Bytes::new(),
            data: Bytes::new(),
        };
        let mut ended = self.numbered(*head);
        let position = self.put_record(stream, &ended, DELETED_REVISION, &event)?;
        ended.end.tombstoned = true;
        self.streams.set(stream, head, ended);
        Ok(Written { revision: Some(DELETED_REVISION), position: Some(position) })
    }

    /// As [`Self::check`], for who ends the stream. One that is deleted already is no stream.
    fn check_end(
        &mut self,
        stream: &str,
        head: &Head,
        expected: Expected,
    ) -> Result<(), WriteError> {
        if expected == Expected::NoStream && head.soft_deleted() {
            return Ok(());
        }
        self.check(stream, head, expected, &[]).map(drop)
    }

    /// Compares the stream with what the writer expects. `Some` if the very same events are there
    /// already, with where they are.
    fn check(
        &mut self,
        stream: &str,
        head: &Head,
        expected: Expected,
        events: &[Proposed],
    ) -> Result<Option<Written>, WriteError> {
        let wrong = WriteError::WrongExpected { current: head.end.last_revision };
        let next_expected = match expected {
            Expected::Any => return self.seen_recently(head, events),
            Expected::StreamExists if head.soft_deleted() => return Err(WriteError::StreamDeleted),
            Expected::StreamExists => {
                let exists = head.end.last_revision.is_some() || self.has_metadata(stream)?;
                return if exists { self.seen_recently(head, events) } else { Err(wrong) };
            }
            Expected::NoStream => 0,
            Expected::Exact(revision) => revision.saturating_add(1),
        };
        let next = head.next_revision();
        if next_expected >= next {
            return if next_expected == next { Ok(None) } else { Err(wrong) };
        }
        // The stream is further on: either this is a repetition, or the writer is late.
        let mut earlier = None;
        for (event, revision) in events.iter().zip(next_expected..) {
            match self.event(head.row.stream_number, revision)? {
                Some((id, position)) if id == event.id => {
                    earlier = Some(Written { revision: Some(revision), position: Some(position) });
                }
                Some(_) | None => {
                    let new_life = revision == next_expected
                        && expected == Expected::NoStream
                        && head.soft_deleted();
                    return if new_life { Ok(None) } else { Err(wrong) };
                }
            }
        }
        earlier.map(Some).ok_or(wrong)
    }

    /// Where the last of these events is, if all of them were written to the stream lately. It is
    /// an error if only the first ones were: then this is neither a new append nor a repetition.
    fn seen_recently(
        &mut self,
        head: &Head,
        events: &[Proposed],
    ) -> Result<Option<Written>, WriteError> {
        let mut earlier = None;
        for event in events {
            let Some((revision, position)) =
                self.memory.recent.get(&(head.row.stream_number, event.id))
            else {
                let wrong = WriteError::WrongExpected { current: head.end.last_revision };
                return if earlier.is_none() { Ok(None) } else { Err(wrong) };
            };
            earlier = Some(Written { revision: Some(revision), position: Some(position) });
        }
        Ok(earlier)
    }

    fn has_metadata(&mut self, stream: &str) -> Result<bool, StoreError> {
        Ok(self.head(&metadata::stream_of(stream))?.end.last_revision.is_some())
    }

    /// Lets a soft-deleted stream be seen again from its next event on, and keeps the rest of its
    /// metadata.
    fn revive(&mut self, stream: &str, old_metadata: &[u8]) -> Result<(), WriteError> {
        let next = self.head(stream)?.next_revision();
        self.put_metadata(stream, metadata::with_truncate_before(old_metadata, next))?;
        Ok(())
    }

    fn put_metadata(&mut self, stream: &str, data: Bytes) -> Result<Written, WriteError> {
        let event = Proposed {
            id: Uuid::new_v4(),
            event_type: metadata::EVENT_TYPE.to_owned(),
            json: true,
            metadata: Bytes::new(),
            data,
        };
        self.put(&metadata::stream_of(stream), &event)
    }

    /// Stages one event at the end of its stream.
    fn put(&mut self, stream: &str, event: &Proposed) -> Result<Written, WriteError> {
        let before = self.head(stream)?;
        let mut head = self.numbered(before);
        let revision = head.next_revision();
        let position = self.put_record(stream, &head, revision, event)?;
        head.end.last_revision = Some(revision);
        self.memory.recent.insert((head.row.stream_number, event.id), (revision, position));
        self.streams.set(stream, &before, head);
        if let Some(described) = metadata::described_by(stream) {
            let before = self.head(described)?;
            let mut head = before;
            head.row.hides = metadata::hides(&event.data);
            self.streams.set(described, &before, head);
        }
        Ok(Written { revision: Some(revision), position: Some(position) })
    }

    fn put_record(
        &mut self,
        stream: &str,
        head: &Head,
        revision: u64,
        event: &Proposed,
    ) -> Result<u64, WriteError> {
        let position = self.memory.next_position;
        let record = NewRecord {
            position,
            id: event.id,
            created_ticks: self.created_ticks,
            stream_number: head.row.stream_number,
            revision,
            json: event.json,
            stream,
            event_type: &event.event_type,
            metadata: &event.metadata,
            data: &event.data,
        };
        let value = record.encode().ok_or(WriteError::Busy)?;
        self.memory.next_position = after(position, value.len());
        self.tables.put_record(&mut self.rows, position, head.row.stream_number, revision, value);
        let staged = StagedEvent { id: event.id, position, data: event.data.clone() };
        self.events.insert((head.row.stream_number, revision), staged);
        self.count = EventCount { count: self.count.count + 1, last_position: Some(position) };
        Ok(position)
    }

    /// The head with a number for the index, a fresh one if it has none yet.
    fn numbered(&mut self, mut head: Head) -> Head {
        if head.row.stream_number == 0 {
            head.row.stream_number = self.memory.next_stream_number;
            self.memory.next_stream_number += 1;
        }
        head
    }

    /// The head of a stream that is not ended for ever, nor the metadata of one that is.
    fn living_head(&mut self, stream: &str) -> Result<Head, WriteError> {
        let head = self.head(stream)?;
        let ended = match metadata::described_by(stream) {
            Some(described) => self.head(described)?.end.tombstoned,
            None => false,
        };
        if ended || head.end.tombstoned { Err(WriteError::StreamDeleted) } else { Ok(head) }
    }

    fn head(&mut self, stream: &str) -> Result<Head, StoreError> {
        if let Some(head) = self.streams.get(stream) {
            return Ok(head);
        }
        if let Some(head) = self.memory.heads.get(stream) {
            return Ok(head);
        }
        let head = self.view.head(stream)?;
        self.memory.heads.insert(stream.to_owned(), head);
        Ok(head)
    }

    /// Id and position of an event, staged or stored.
    fn event(&self, number: u64, revision: u64) -> Result<Option<(Uuid, u64)>, StoreError> {
        if let Some(staged) = self.events.get(&(number, revision)) {
            return Ok(Some((staged.id, staged.position)));
        }
        let stored = self.view.event(number, revision)?;
        Ok(stored.map(|record| (record.id, record.position)))
    }

    fn last_metadata(&mut self, stream: &str) -> Result<Bytes, StoreError> {
        let head = self.head(&metadata::stream_of(stream))?;
        let Some(revision) = head.end.last_revision else { return Ok(Bytes::new()) };
        if let Some(staged) = self.events.get(&(head.row.stream_number, revision)) {
            return Ok(staged.data.clone());
        }
        let stored = self.view.event(head.row.stream_number, revision)?;
        Ok(stored.map(|record| record.data).unwrap_or_default())
    }
}
