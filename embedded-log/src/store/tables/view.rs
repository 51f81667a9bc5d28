//! What the tables held at one moment.

use std::ops::{Bound, RangeInclusive};

use bytes::Bytes;
use fjall::{Readable, Snapshot};

use super::Tables;
use crate::store::format::{
    DELETED_REVISION, Head, Record, StreamEnd, StreamRow, index_key, parse_index_key,
};
use crate::store::{Corrupt, StoreError};

/// The tables as they were at one moment.
pub(crate) struct View<'t> {
    tables: &'t Tables,
    snapshot: Snapshot,
}

impl<'t> View<'t> {
    pub(super) fn new(tables: &'t Tables, snapshot: Snapshot) -> Self {
        Self { tables, snapshot }
    }
}

impl View<'_> {
    /// A stream and where it ends; one that was never written has nothing.
    pub(crate) fn head(&self, stream: &str) -> Result<Head, StoreError> {
        let row = self.stream(stream)?;
        Ok(Head { row, end: self.end(row.stream_number)? })
    }

    /// The row of a stream; the default one if it was never written.
    pub(crate) fn stream(&self, stream: &str) -> Result<StreamRow, StoreError> {
        match self.snapshot.get(&self.tables.streams, stream)? {
            Some(value) => Ok(StreamRow::decode(stream, Bytes::copy_from_slice(&value))?),
            None => Ok(StreamRow::default()),
        }
    }

    /// Where the stream of that number ends.
    pub(crate) fn end(&self, stream_number: u64) -> Result<StreamEnd, StoreError> {
        let mut end = StreamEnd::default();
        if stream_number == 0 {
            return Ok(end);
        }
        let range = index_key(stream_number, 0)..=index_key(stream_number, u64::MAX);
        for row in self.snapshot.range(&self.tables.stream_rev, range).rev() {
            let key = row.key()?;
            let (_, revision) = parse_index_key(&key).ok_or_else(|| bad_index(stream_number))?;
            if revision != DELETED_REVISION {
                end.last_revision = Some(revision);
                break;
            }
            end.tombstoned = true;
        }
        Ok(end)
    }

    /// The event of that revision, if the stream has one.
    pub(crate) fn event(
        &self,
        stream_number: u64,
        revision: u64,
    ) -> Result<Option<Record>, StoreError> {
        let key = index_key(stream_number, revision);
        match self.snapshot.get(&self.tables.stream_rev, key)? {
            Some(position) => Ok(Some(self.indexed(stream_number, revision, &position)?)),
            None => Ok(None),
        }
    }

    /// Where the index says that the event of that revision lies.
    pub(crate) fn position(
        &self,
        stream_number: u64,
        revision: u64,
    ) -> Result<Option<u64>, StoreError> {
        let key = index_key(stream_number, revision);
        let position = self.snapshot.get(&self.tables.stream_rev, key)?;
        Ok(position.map(|position| parse_position(&position)).transpose()?)
    }

    /// The records of a range of positions, in order; `.rev()` for the other way.
    pub(crate) fn records(
        &self,
        (first, last): (Bound<u64>, Bound<u64>),
    ) -> impl DoubleEndedIterator<Item = Result<Record, StoreError>> + use<> {
        let range = (first.map(u64::to_be_bytes), last.map(u64::to_be_bytes));
        self.snapshot.range(&self.tables.all, range).map(|row| {
            let (position, value) = record_row(row)?;
            Ok(Record::decode(position, value)?)
        })
    }

    /// The records of a range of positions as they are stored.
    pub(crate) fn values(
        &self,
        (first, last): (Bound<u64>, Bound<u64>),
    ) -> impl Iterator<Item = Result<(u64, Bytes), StoreError>> + use<> {
        let range = (first.map(u64::to_be_bytes), last.map(u64::to_be_bytes));
        self.snapshot.range(&self.tables.all, range).map(record_row)
    }

    /// The whole index: stream number, revision and position, sorted by the first two.
    pub(crate) fn index(
        &self,
    ) -> impl Iterator<Item = Result<(u64, u64, u64), StoreError>> + use<> {
        self.snapshot.iter(&self.tables.stream_rev).map(|row| {
            let (key, position) = row.into_inner()?;
            let (number, revision) = parse_index_key(&key).ok_or_else(|| bad_index(0))?;
            Ok((number, revision, parse_position(&position)?))
        })
    }

    /// The rows of all streams, sorted by name.
    pub(crate) fn streams(
        &self,
    ) -> impl Iterator<Item = Result<(String, StreamRow), StoreError>> + use<> {
        self.snapshot.iter(&self.tables.streams).map(|row| {
            let (key, value) = row.into_inner()?;
            let name = String::from_utf8_lossy(&key).into_owned();
            let row = StreamRow::decode(&name, Bytes::copy_from_slice(&value))?;
            Ok((name, row))
        })
    }

    /// The first and the last position of the log.
    pub(crate) fn ends(&self) -> Result<Option<(u64, u64)>, StoreError> {
        let first = self.snapshot.first_key_value(&self.tables.all);
        let last = self.snapshot.last_key_value(&self.tables.all);
        let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
        Ok(Some((parse_position(&first.key()?)?, parse_position(&last.key()?)?)))
    }

    /// The events of a range of revisions of one stream, in order; `.rev()` for the other way.
    pub(crate) fn events(
        &self,
        stream_number: u64,
        revisions: RangeInclusive<u64>,
    ) -> impl DoubleEndedIterator<Item = Result<Record, StoreError>> {
        let range = index_key(stream_number, *revisions.start())
            ..=index_key(stream_number, *revisions.end());
        self.snapshot.range(&self.tables.stream_rev, range).map(move |row| {
            let (key, position) = row.into_inner()?;
            let (_, revision) = parse_index_key(&key).ok_or_else(|| bad_index(stream_number))?;
            self.indexed(stream_number, revision, &position)
        })
    }

    /// The highest stream number in use.
    pub(crate) fn last_stream_number(&self) -> Result<u64, StoreError> {
        let Some(row) = self.snapshot.last_key_value(&self.tables.stream_rev) else { return Ok(0) };
        let key = row.key()?;
        let (number, _) = parse_index_key(&key).ok_or_else(|| bad_index(0))?;
        Ok(number)
    }

    fn indexed(
        &self,
        stream_number: u64,
        revision: u64,
        position: &[u8],
    ) -> Result<Record, StoreError> {
        let position = parse_position(position)?;
        let corrupt = |problem| Corrupt { place: format!("position {position}"), problem };
        let value = self
            .snapshot
            .get(&self.tables.all, position.to_be_bytes())?
            .ok_or_else(|| corrupt("the index names a record that is not there"))?;
        let record = Record::decode(position, Bytes::copy_from_slice(&value))?;
        if (record.stream_number, record.revision) != (stream_number, revision) {
            return Err(corrupt("the index names the record of another event").into());
        }
        Ok(record)
    }
}

fn record_row(row: fjall::Guard) -> Result<(u64, Bytes), StoreError> {
    let (key, value) = row.into_inner()?;
    Ok((parse_position(&key)?, Bytes::copy_from_slice(&value)))
}

fn parse_position(bytes: &[u8]) -> Result<u64, Corrupt> {
    let bytes = bytes.try_into().map_err(|_| Corrupt {
        place: "a position in the index".to_owned(),
        problem: "it is not eight bytes long",
    })?;
    Ok(u64::from_be_bytes(bytes))
}

fn bad_index(stream_number: u64) -> Corrupt {
    Corrupt { place: format!("the index of stream number {stream_number}"), problem: "a bad key" }
}
