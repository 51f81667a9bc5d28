//! The tables of the log, and the only file that knows which engine keeps them.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `all` | position | record |
//! | `stream_rev` | stream number, revision | position |
//! | `streams` | stream name | its number, and which of its events are hidden |

use std::fs;
use std::ops::{Bound, RangeInclusive};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::compaction::Leveled;
use fjall::config::{BlockSizePolicy, CompressionPolicy};
use fjall::{
    AbstractTree, CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch,
    PersistMode, Readable, Snapshot,
};

use super::directory::Directory;
use super::format::{
    DELETED_REVISION, Head, Record, StreamEnd, StreamRow, index_key, parse_index_key,
};
use super::{Corrupt, OpenError, StoreError, journal};
use crate::limits::{
    CACHE_BYTES, FLUSH_SECONDS_MAX, HEADS_TABLES_MAX, INDEX_BUFFER_BYTES, JOURNAL_BYTES_KEPT_MAX,
    JOURNAL_BYTES_MAX, PAGE_BYTES_MAX, RECORDS_BLOCK_BYTES, RECORDS_BUFFER_BYTES,
};

/// Threads that flush and compact. Two, so that a long compaction does not hold up a flush.
const ENGINE_THREADS: usize = 2;

/// Handles to the open tables; clones share them. The directory stays locked until the last is gone.
#[derive(Clone)]
pub(crate) struct Tables {
    database: Database,
    all: Keyspace,
    stream_rev: Keyspace,
    streams: Keyspace,
    /// Set by a test that wants the disk to fail.
    #[cfg(test)]
    pub(crate) fail_commits: Arc<std::sync::atomic::AtomicBool>,
    // Declared last: the lock must outlive the database.
    directory: Arc<Directory>,
}

/// The tables as they were at one moment.
pub(crate) struct View<'t> {
    tables: &'t Tables,
    snapshot: Snapshot,
    page_bytes: usize,
}

/// Rows that become durable together or not at all.
pub(crate) struct Rows {
    batch: OwnedWriteBatch,
    #[cfg(test)]
    fail: Arc<std::sync::atomic::AtomicBool>,
}

impl Tables {
    /// Opens the tables, creating them first if there are none.
    pub(crate) fn open(directory: Directory) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { directory: directory.path().to_owned(), source };
        let data = directory.data();
        if !data.try_exists().map_err(io)? {
            // A crash while tables are made must not leave half of them where the next start looks.
            let in_making = directory.data_in_making();
            match fs::remove_dir_all(&in_making) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io(error));
                }
                Ok(()) | Err(_) => {}
            }
            open_keyspaces(&in_making).map_err(|error| open_error(&directory, error))?;
            fs::rename(&in_making, &data).map_err(io)?;
            directory.sync().map_err(io)?;
        }
        Self::recover(Arc::new(directory), None)
    }

    /// Opens tables that are there. With `keep_to`, what lies beyond that position is cut off, as
    /// its commit is known to have failed.
    pub(crate) fn recover(
        directory: Arc<Directory>,
        keep_to: Option<u64>,
    ) -> Result<Self, OpenError> {
        journal::settle(&directory, keep_to)?;
        // The engine has been seen to panic on damaged files.
        let opened = catch_unwind(AssertUnwindSafe(|| open_keyspaces(&directory.data())));
        let (database, [all, stream_rev, streams]) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return Err(open_error(&directory, error)),
            Err(_) => {
                let place = "the storage engine gave up on its files".to_owned();
                return Err(OpenError::Corrupt { directory: directory.path().to_owned(), place });
            }
        };
        Ok(Self {
            database,
            all,
            stream_rev,
            streams,
            #[cfg(test)]
            fail_commits: Arc::default(),
            directory,
        })
    }

    /// The tables as they are now, all at the same moment.
    pub(crate) fn view(&self) -> View<'_> {
        View { tables: self, snapshot: self.database.snapshot(), page_bytes: PAGE_BYTES_MAX }
    }

    pub(crate) fn rows(&self) -> Rows {
        Rows {
            batch: self.database.batch().durability(Some(PersistMode::SyncData)),
            #[cfg(test)]
            fail: Arc::clone(&self.fail_commits),
        }
    }

    /// Rows that are durable only after the next [`Tables::sync`].
    pub(crate) fn rows_for_later(&self) -> Rows {
        Rows {
            batch: self.database.batch(),
            #[cfg(test)]
            fail: Arc::clone(&self.fail_commits),
        }
    }

    /// Makes all rows durable.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }

    /// Closes the last handle to the tables. Unless the journals hold next to nothing they are
    /// emptied, so that the next start has nothing to read again. That they are not loses nothing.
    pub(crate) fn close(self) -> Result<(), StoreError> {
        let worth_it = journal::bytes_on_disk(&self.directory).map_err(fjall::Error::Io)?
            > JOURNAL_BYTES_KEPT_MAX;
        let flushed = worth_it && self.flush()?;
        let directory = Arc::clone(&self.directory);
        drop(self);
        // Another handle would still write to the journals.
        if flushed && Arc::strong_count(&directory) == 1 {
            journal::empty(&directory).map_err(fjall::Error::Io)?;
        }
        Ok(())
    }

    /// Moves everything from the journals into tables. Whether that was done in time; nobody may
    /// write meanwhile.
    pub(crate) fn flush(&self) -> Result<bool, StoreError> {
        const LOOK_EVERY: Duration = Duration::from_millis(2);
        let until = Instant::now() + Duration::from_secs(FLUSH_SECONDS_MAX);
        for keyspace in [&self.all, &self.stream_rev, &self.streams] {
            keyspace.rotate_memtable()?;
        }
        for keyspace in [&self.all, &self.stream_rev, &self.streams] {
            // The engine's own wait has no end if its threads have ended.
            while keyspace.tree.sealed_memtable_count() > 0 {
                if Instant::now() >= until {
                    return Ok(false);
                }
                #[allow(clippy::disallowed_methods, reason = "the engine does not tell")]
                std::thread::sleep(LOOK_EVERY);
            }
            if keyspace.tree.get_highest_memtable_seqno().is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many events there are; not counted one by one, so that it costs nothing.
    pub(crate) fn events_about(&self) -> u64 {
        u64::try_from(self.all.approximate_len()).unwrap_or(u64::MAX)
    }

    /// The directory the tables lie in.
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    pub(crate) fn put_record(
        &self,
        rows: &mut Rows,
        position: u64,
        stream_number: u64,
        revision: u64,
        value: Vec<u8>,
    ) {
        let key = position.to_be_bytes();
        rows.batch.insert(&self.all, key, value);
        self.put_index(rows, position, stream_number, revision);
    }

    pub(crate) fn put_index(
        &self,
        rows: &mut Rows,
        position: u64,
        stream_number: u64,
        revision: u64,
    ) {
        let key = index_key(stream_number, revision);
        rows.batch.insert(&self.stream_rev, key, position.to_be_bytes());
    }

    pub(crate) fn put_stream(&self, rows: &mut Rows, stream: &str, row: &StreamRow) {
        rows.batch.insert(&self.streams, stream, row.encode(stream));
    }
}

impl Rows {
    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Writes all rows and syncs the disk. After an error nothing is known about them, and the
    /// engine takes no further rows.
    pub(crate) fn commit(self) -> Result<(), StoreError> {
        #[cfg(test)]
        if self.fail.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(fjall::Error::Poisoned.into());
        }
        Ok(self.batch.commit()?)
    }
}

impl View<'_> {
    /// The same view, of which a page holds at most so many bytes.
    pub(crate) fn by_pages_of(self, page_bytes: usize) -> Self {
        Self { page_bytes, ..self }
    }

    /// Bytes a page may hold in memory.
    pub(crate) fn page_bytes(&self) -> usize {
        self.page_bytes
    }

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

fn open_keyspaces(path: &std::path::Path) -> fjall::Result<(Database, [Keyspace; 3])> {
    let database = Database::builder(path)
        .cache_size(CACHE_BYTES)
        .max_journaling_size(JOURNAL_BYTES_MAX)
        .journal_compression(CompressionType::Lz4)
        .worker_threads(ENGINE_THREADS)
        .open()?;
    let options = |buffer_bytes| {
        KeyspaceCreateOptions::default()
            .max_memtable_size(buffer_bytes)
            .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
    };
    // What is looked up in the first two is there, so filters would tell nothing.
    let all = database.keyspace("all", || {
        options(RECORDS_BUFFER_BYTES)
            .data_block_size_policy(BlockSizePolicy::all(RECORDS_BLOCK_BYTES))
            .expect_point_read_hits(true)
    })?;
    let stream_rev = database
        .keyspace("stream_rev", || options(INDEX_BUFFER_BYTES).expect_point_read_hits(true))?;
    // Names come in no order, so every merge rewrites all of them.
    let merging = Arc::new(Leveled::default().with_l0_threshold(HEADS_TABLES_MAX));
    let streams = database
        .keyspace("streams", || options(INDEX_BUFFER_BYTES).compaction_strategy(merging))?;
    Ok((database, [all, stream_rev, streams]))
}

fn open_error(directory: &Directory, error: fjall::Error) -> OpenError {
    use fjall::{Error, LsmError};
    let directory = directory.path().to_owned();
    if let Error::Io(source) | Error::Storage(LsmError::Io(source)) = error {
        return OpenError::Io { directory, source };
    }
    OpenError::Corrupt { directory, place: error.to_string() }
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
