//! The tables of the log, and the only place that knows which engine keeps them.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `all` | position | record |
//! | `stream_rev` | stream number, revision | position |
//! | `streams` | stream name | its number, and which of its events are hidden |

mod view;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fjall::compaction::Leveled;
use fjall::config::{BlockSizePolicy, CompressionPolicy};
use fjall::{
    AbstractTree, CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch,
    PersistMode,
};

pub(crate) use self::view::View;
use super::directory::Directory;
use super::format::{StreamRow, index_key};
use super::{OpenError, StoreError, journal};
use crate::files;
use crate::limits::{
    CACHE_BYTES, FLUSH_SECONDS_MAX, INDEX_BUFFER_BYTES, JOURNAL_BYTES_KEPT_MAX, JOURNAL_BYTES_MAX,
    RECORDS_BLOCK_BYTES, RECORDS_BUFFER_BYTES, STREAMS_TABLES_MAX, TABLES_FILES_SHARE,
    TABLES_OPEN_MAX,
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
        View::new(self, self.database.snapshot())
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
                if Instant::now() >= until || self.has_given_up() {
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

    /// Whether a thread of the engine has failed, so that nothing is moved any more.
    fn has_given_up(&self) -> bool {
        self.database.persist(PersistMode::Buffer).is_err()
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

fn open_keyspaces(path: &std::path::Path) -> fjall::Result<(Database, [Keyspace; 3])> {
    let database = Database::builder(path)
        .cache_size(CACHE_BYTES)
        .max_journaling_size(JOURNAL_BYTES_MAX)
        .journal_compression(CompressionType::Lz4)
        .worker_threads(ENGINE_THREADS)
        .max_cached_files(Some(files::share(TABLES_FILES_SHARE, TABLES_OPEN_MAX)))
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
    let merging = Arc::new(Leveled::default().with_l0_threshold(STREAMS_TABLES_MAX));
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
