//! The log on disk: one writer thread, any number of readers.
//!
//! - `directory` — the lock, the format and the extent of the directory
//! - `journal` — the torn tail, cut off before the engine opens its files
//! - `format` — how a record and the row of a stream lie on disk
//! - `tables` — the engine behind them, and views of what it holds
//! - `writer` — the thread that takes appends, and syncs many of them at once
//! - `write` — a write as it is asked for, and how it ends
//! - `changed` — the streams of writes that are not on disk yet
//! - `stage` — what one write does to the log: the rules of the expected revision
//! - `reader` — pages of events for reads and subscriptions; `pages` — the memory for them
//! - `read_threads` — where reads may wait for the disk
//! - `subscribers` — who follows the log, and how far each has come
//! - `generations` — the bounded caches

pub(crate) mod changed;
pub(crate) mod directory;
pub(crate) mod format;
pub(crate) mod generations;
pub(crate) mod journal;
pub(crate) mod pages;
mod read_threads;
pub(crate) mod reader;
pub(crate) mod stage;
pub(crate) mod subscribers;
pub(crate) mod tables;
#[cfg(test)]
mod tests;
pub(crate) mod write;
pub(crate) mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use self::directory::Directory;
use self::pages::{PageMemory, Reader};
use self::read_threads::ReadThreads;
use self::subscribers::Subscribers;
use self::tables::{Tables, View};
use self::write::{Write, WriteError, Written};
use self::writer::{Message, Pending, Writer};
use crate::limits::{ADMISSION_SECONDS_MAX, QUEUE_BYTES_MAX, QUEUE_WRITES_MAX};

/// Why a log could not be opened. One line each, naming the directory.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another server of this process, serves the directory.
    #[error("the log in {} is in use by another process ({holder})", directory.display())]
    InUse {
        /// The directory asked for.
        directory: PathBuf,
        /// Who holds it, as it wrote itself down.
        holder: String,
    },
    /// The directory was written by another version of this crate, or is no log.
    #[error("the log in {} has format {found}, this version reads format {known} only", directory.display())]
    OtherFormat {
        /// The directory asked for.
        directory: PathBuf,
        /// What its `FORMAT` file says.
        found: String,
        /// What this version reads.
        known: u32,
    },
    /// What is stored contradicts itself.
    #[error("the log in {} is damaged: {place}", directory.display())]
    Corrupt {
        /// The directory asked for.
        directory: PathBuf,
        /// Where, and what is wrong there.
        place: String,
    },
    /// The directory cannot be read or written.
    #[error("the log in {} cannot be opened: {source}", directory.display())]
    Io {
        /// The directory asked for.
        directory: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// A stored value that is not what was written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{place}: {problem}")]
pub(crate) struct Corrupt {
    pub(crate) place: String,
    pub(crate) problem: &'static str,
}

/// Why the store could not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the stored data is damaged at {0}")]
    Corrupt(#[from] Corrupt),
    #[error("the storage engine failed: {0}")]
    Engine(#[from] fjall::Error),
    /// The engine gave up in a way it does not report, as it may on damaged tables.
    #[error("the storage engine broke off a read")]
    Broken,
    #[error("the log is closed")]
    Closed,
}

impl StoreError {
    /// What the operating system said, if that is all that is wrong: the disk may be well again. A
    /// file that ends too early or holds nonsense is damage.
    pub(crate) fn disk(&self) -> Option<&std::io::Error> {
        use std::io::ErrorKind::{InvalidData, UnexpectedEof};
        let Self::Engine(
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)),
        ) = self
        else {
            return None;
        };
        (![InvalidData, UnexpectedEof].contains(&error.kind())).then_some(error)
    }
}

/// The tables, taken away on closing, and for a moment when a disk that was full has room again. A
/// page being read holds the lock meanwhile.
pub(crate) type Slot = Arc<RwLock<Option<Tables>>>;

/// Whether the log takes writes.
#[derive(Default)]
pub(crate) struct Health {
    /// Set for good when a write or a sync failed.
    stopped: AtomicBool,
    /// Set for as long as the disk is full.
    full: AtomicBool,
}

/// An open log. Clones share it.
#[derive(Clone)]
pub(crate) struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    tables: Slot,
    inbox: mpsc::Sender<Message>,
    /// Bytes of appends that may be under way.
    budget: Arc<Semaphore>,
    /// The position of the last event known to be on disk; 0 for none.
    durable: watch::Receiver<u64>,
    health: Arc<Health>,
    subscribers: Subscribers,
    pages: Arc<PageMemory>,
    read_threads: ReadThreads,
    /// Cancelled when the server is to end.
    closing: CancellationToken,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Locks the directory, recovers what is in it and starts the writer. Blocks on the disk.
    pub(crate) fn open(directory: &Path) -> Result<Self, OpenError> {
        let tables = Tables::open(Directory::open(directory)?)?;
        let health = Arc::new(Health::default());
        let (inbox, messages) = mpsc::channel(QUEUE_WRITES_MAX);
        let subscribers = Subscribers::default();
        let (writer, durable) =
            Writer::recover(&tables, messages, Arc::clone(&health), subscribers.clone())
                .map_err(|error| damaged(directory, &error))?;
        let tables: Slot = Arc::new(RwLock::new(Some(tables)));
        let slot = Arc::clone(&tables);
        let io = |source| OpenError::Io { directory: directory.to_owned(), source };
        let read_threads = ReadThreads::new().map_err(io)?;
        let thread = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || writer.run(&slot))
            .map_err(io)?;
        let shared = Shared {
            tables,
            inbox,
            budget: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
            durable,
            health,
            subscribers,
            pages: Arc::default(),
            read_threads,
            closing: CancellationToken::new(),
            writer: Mutex::new(Some(thread)),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The position of the last event on disk, now and whenever it rises.
    pub(crate) fn durable(&self) -> watch::Receiver<u64> {
        self.shared.durable.clone()
    }

    /// Cancelled when the server is to end.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.shared.closing
    }

    /// Hands a write to the writer, in order with earlier calls, and returns as soon as it has room
    /// for it; the answer comes with the [`Pending`].
    pub(crate) async fn enqueue(&self, write: Write) -> Result<Pending, WriteError> {
        if self.shared.health.stopped.load(Ordering::Relaxed) {
            return Err(WriteError::Stopped);
        }
        let bytes = u32::try_from(write.size()).unwrap_or(u32::MAX);
        let admission = async {
            let budget = Arc::clone(&self.shared.budget).acquire_many_owned(bytes).await;
            (budget, self.shared.inbox.reserve().await)
        };
        let patience = Duration::from_secs(ADMISSION_SECONDS_MAX);
        match tokio::time::timeout(patience, admission).await {
            Ok((Ok(budget), Ok(room))) => {
                let (reply, answer) = oneshot::channel();
                room.send(Message::Write { write, reply, _budget: budget });
                Ok(Pending { answer })
            }
            Ok((Err(_), _) | (_, Err(_))) => Err(WriteError::Stopped),
            Err(_) => Err(WriteError::Busy),
        }
    }

    /// Hands a write to the writer and waits until it is on disk, or refused.
    pub(crate) async fn write(&self, write: Write) -> Result<Written, WriteError> {
        self.enqueue(write).await?.answer().await
    }

    /// Somebody who reads page by page; none while there are too many.
    pub(crate) fn reader(&self) -> Option<Reader> {
        Reader::new(self.clone(), Arc::clone(&self.shared.pages))
    }

    /// Runs a read where blocking is allowed.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_tables(move |tables| read(&tables.view())).await
    }

    /// Like [`Store::read`], for what a view does not tell.
    pub(crate) async fn read_tables<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let slot = Arc::clone(&self.shared.tables);
        let reading = self.shared.read_threads.run(move || {
            let tables = slot.read().unwrap_or_else(PoisonError::into_inner);
            let tables = tables.as_ref().ok_or(StoreError::Closed)?;
            read(tables)
        });
        reading.await
    }

    /// Whether writes are refused until the next start.
    pub(crate) fn writes_stopped(&self) -> bool {
        self.shared.health.stopped.load(Ordering::Relaxed)
    }

    /// Whether writes are refused until there is room on the disk.
    pub(crate) fn disk_full(&self) -> bool {
        self.shared.health.full.load(Ordering::Relaxed)
    }

    /// Waits until the writer is gone; it ends with the log, or in a panic.
    pub(crate) async fn writer_gone(&self) {
        self.shared.inbox.closed().await;
    }

    /// Who follows the log.
    pub(crate) fn subscribers(&self) -> &Subscribers {
        &self.shared.subscribers
    }

    /// From when it is set on, commits fail as if the disk did.
    #[cfg(test)]
    fn fail_commits(&self) -> Arc<AtomicBool> {
        let tables = self.shared.tables.read().unwrap();
        Arc::clone(&tables.as_ref().unwrap().fail_commits)
    }

    /// Ends the writer after what it has taken, then closes the tables and frees the directory.
    pub(crate) async fn close(&self) {
        self.shared.closing.cancel();
        // An error means that the writer is gone already.
        let _ = self.shared.inbox.send(Message::Close).await;
        let shared = Arc::clone(&self.shared);
        let closing = tokio::task::spawn_blocking(move || {
            let writer = shared.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
            if writer.is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("the log's writer ended in a panic");
            }
            let tables = shared.tables.write().unwrap_or_else(PoisonError::into_inner).take();
            let Health { stopped, full } = &*shared.health;
            let failed = stopped.load(Ordering::Relaxed) || full.load(Ordering::Relaxed);
            // After a failure nobody knows what the engine holds: the next start finds out.
            if let Some(Err(error)) = tables.filter(|_| !failed).map(Tables::close) {
                tracing::warn!("the next start reads the journals again: {error}");
            }
        });
        if closing.await.is_err() {
            tracing::error!("the log could not be closed cleanly");
        }
    }
}

fn damaged(directory: &Path, error: &StoreError) -> OpenError {
    OpenError::Corrupt { directory: directory.to_owned(), place: error.to_string() }
}
