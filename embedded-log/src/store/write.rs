//! A write as it is asked for, and how it ends.

use std::time::Instant;

use bytes::Bytes;
use uuid::Uuid;

use super::StoreError;

/// An event as a client proposes it.
#[derive(Clone, Debug)]
pub(crate) struct Proposed {
    pub(crate) id: Uuid,
    pub(crate) event_type: String,
    pub(crate) json: bool,
    pub(crate) metadata: Bytes,
    pub(crate) data: Bytes,
}

/// What the writer of a stream believes about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Expected {
    Any,
    NoStream,
    StreamExists,
    Exact(u64),
}

#[derive(Debug)]
pub(crate) enum Change {
    Append(Vec<Proposed>),
    /// Hides all events so far; the stream can be written again.
    SoftDelete,
    /// Ends the stream for ever.
    Tombstone,
}

/// One write, all of it or nothing.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) stream: String,
    pub(crate) expected: Expected,
    pub(crate) change: Change,
    /// Past it the write is refused instead of made.
    pub(crate) deadline: Option<Instant>,
}

/// Where a write ended up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Written {
    /// The stream's last revision of this write; of the stream, if the write held no event.
    pub(crate) revision: Option<u64>,
    /// Of the last event of this write.
    pub(crate) position: Option<u64>,
}

/// Why a write was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("the stream is not at the expected revision")]
    WrongExpected {
        /// The stream's last revision.
        current: Option<u64>,
    },
    #[error("the stream is deleted")]
    StreamDeleted,
    #[error("the deadline passed before the write was made")]
    Expired,
    #[error("too many writes are waiting")]
    Busy,
    /// A write or a sync failed earlier, or the server is ending.
    #[error("the log takes no writes until it is restarted")]
    Stopped,
    /// The log takes writes again when there is room.
    #[error("the disk is full")]
    Full,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Write {
    /// Bytes it holds in memory, roughly.
    pub(crate) fn size(&self) -> usize {
        let events = match &self.change {
            Change::Append(events) => events.iter().map(Proposed::size).sum(),
            Change::SoftDelete | Change::Tombstone => 0,
        };
        self.stream.len() + events
    }
}

impl Proposed {
    /// Bytes it takes in the log, roughly.
    pub(crate) fn size(&self) -> usize {
        const FIXED_FIELDS: usize = 64;
        FIXED_FIELDS + self.payload_size()
    }

    /// Bytes the client gave it.
    pub(crate) fn payload_size(&self) -> usize {
        self.event_type.len() + self.metadata.len() + self.data.len()
    }
}
