//! Moves the checkpoint behind the stream, beside the publishing and not in its way.
//!
//! Only what NATS has acknowledged is handed in, so the checkpoint never leads; that it lags is
//! harmless, as a relay goes on behind the stream's last message. So one move may stand for many
//! batches, and Postgres may be away for a while.
//!
//! That somebody else has moved the checkpoint, or taken the stream over, is noticed when the next
//! move fails, and by then one more batch may be out. It is as right as any: the stream took it only
//! because it ended where this relay thought, so it holds what whoever came next would have
//! published there, and that one goes on behind it. Guard and lease end needless work; what is
//! published depends on neither.

use std::time::Duration;

use domain::Position;
use eventlog::checkpoint;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::follower_name;
use crate::progress::{self, Progress};
use crate::share::{self, Epoch};

/// Under load the checkpoint moves no more often.
const MOVE_EVERY: Duration = Duration::from_millis(100);
/// Between tries while Postgres is away.
const TRY_EVERY: Duration = Duration::from_secs(1);
/// For a last move, at the end or before the relay looks where things are.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// What the stream is known to hold.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// In the log: everything up to here that is for the stream is in it.
    pub(crate) end: Position,
    pub(crate) progress: Progress,
}

pub(crate) struct Bookkeeper {
    newest: watch::Sender<Option<Entry>>,
    closing: CancellationToken,
    writing: AbortOnDropHandle<()>,
}

impl Bookkeeper {
    /// For a stream whose checkpoint is at `checkpoint`.
    pub(crate) fn new(
        pool: PgPool,
        stream: &str,
        epoch: Option<Epoch>,
        checkpoint: Option<Position>,
    ) -> Self {
        let closing = CancellationToken::new();
        let (newest, entries) = watch::channel(None);
        let (name, stream) = (follower_name(stream), stream.to_owned());
        let book = Book { pool, stream, name, epoch, checkpoint };
        let writing = tokio::spawn(book.keep(entries, closing.clone()));
        Self { newest, closing, writing: AbortOnDropHandle::new(writing) }
    }

    /// Takes an entry, which stands for all before it.
    pub(crate) fn enter(&self, entry: Entry) {
        // Unread once overtaken, which is asked for before the next batch.
        let _unread = self.newest.send(Some(entry));
    }

    /// Whether another relay has moved the checkpoint, or the stream has changed hands.
    pub(crate) fn is_overtaken(&self) -> bool {
        self.newest.is_closed()
    }

    /// Ends after a try to write what is not written yet.
    pub(crate) async fn close(self) {
        self.closing.cancel();
        let _ended = tokio::time::timeout(CLOSE_WAIT, self.writing).await;
    }
}

/// A checkpoint as it lies in Postgres.
struct Book {
    pool: PgPool,
    stream: String,
    name: String,
    epoch: Option<Epoch>,
    checkpoint: Option<Position>,
}

impl Book {
    /// Until it is closed or overtaken.
    async fn keep(
        mut self,
        mut entries: watch::Receiver<Option<Entry>>,
        closing: CancellationToken,
    ) {
        loop {
            let closed = tokio::select! {
                biased;
                changed = entries.changed() => changed.is_err(),
                () = closing.cancelled() => true,
            };
            if closed {
                return;
            }
            let Some(entry) = entries.borrow_and_update().clone() else { continue };
            let wait = match self.write(&entry).await {
                Ok(true) => MOVE_EVERY,
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(
                        stream = self.stream,
                        %error,
                        "the relay's checkpoint does not move"
                    );
                    if closing.is_cancelled() {
                        return;
                    }
                    entries.mark_changed();
                    TRY_EVERY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = closing.cancelled() => {}
            }
        }
    }

    /// False: overtaken.
    async fn write(&mut self, Entry { end, progress }: &Entry) -> sqlx::Result<bool> {
        let mut transaction = self.pool.begin().await?;
        let ours = match self.epoch {
            Some(epoch) => share::still(&mut transaction, &self.stream, epoch).await?,
            None => true,
        };
        let old = self.checkpoint;
        if !ours || !checkpoint::advance(&mut transaction, &self.name, old, *end).await? {
            transaction.rollback().await?;
            return Ok(false);
        }
        progress::record(&mut transaction, &self.stream, progress).await?;
        transaction.commit().await?;
        self.checkpoint = Some(*end);
        Ok(true)
    }
}
