//! Events in, NATS JetStream out: the stream holds the log's public events, each once, in the
//! order of the log.
//!
//! The map:
//! - [`run`]: the relay itself, until it is told to end.
//! - [`contract`]: what the outside may know of a domain event; `asyncapi.yaml` describes it.
//! - `partition`, `layout`: into how many streams the events are divided.
//! - `subject`, `message`: where an event goes, and what it looks like there.
//! - [`nats`]: who we are to NATS, and the connection.
//! - `broker`: the stream kept as code.
//! - `publish`: fenced publishing, in atomic batches or one by one.
//! - `resume`, `halt`: where to go on, and when going on would be guessing.
//! - `progress`: how far the stream had come, in Postgres, to notice a stream that lost something.
//! - `bookkeeper`: moves the checkpoint, beside the publishing.
//! - `relay`: the follower that ties them together.
//! - `crew`, `share`: the workers of one process, and who works on which partition.
//! - [`desk`]: what operators see and do; [`mod@verify`]: the stream compared with the log.
//! - [`events`]: the streams from the other side, for those who consume them.
//! - `reading`: messages of a stream, one after another.
//! - [`reckoning`]: counts for those who compare the log with the stream.
//!
//! Exactly once, without a lock: every publish names the sequence it expects to come after, of the
//! whole stream. Whoever else has published makes it fail; then, as at the start, the relay reads
//! the last message, which carries its position in the log, and goes on after that. So the stream
//! itself says what it holds, and a lost acknowledgement, a crash or a second relay change nothing.

mod bookkeeper;
mod broker;
pub mod contract;
mod crew;
pub mod desk;
pub mod events;
mod halt;
mod layout;
mod message;
pub mod nats;
mod partition;
mod progress;
mod publish;
mod reading;
pub mod reckoning;
mod relay;
mod resume;
mod share;
mod subject;
pub mod verify;

use std::time::Duration;

use eventlog::{EventLog, FollowError};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

pub use contract::ASYNCAPI;
pub use halt::Halt;
pub use nats::Nats;
pub use partition::{PARTITIONS_MAX, Partition, STREAM};
pub use reckoning::{BrokerError, StreamSummary, count_public, stream_summary};
pub use verify::{Difference, Verdict, VerifyError, verify};

use crate::crew::Crew;

/// Where the public events go.
#[derive(Clone, Debug)]
pub struct Settings {
    pub nats: Nats,
    /// The JetStream stream; it is created if it is not there. Of several partitions, what their
    /// names begin with.
    pub stream: String,
    /// Into how many streams the events are divided.
    pub partitions: u16,
    pub limits: Limits,
    pub sharing: Sharing,
    /// Whether many messages are stored in one step, where the server can. Without, each goes by
    /// itself.
    pub atomic_batches: bool,
}

/// What the streams keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many servers keep each message: 1, or 3 in a cluster.
    pub replicas: usize,
    /// Messages older than this are removed; none: what the stream has, which is no limit at first.
    pub age_max: Option<Duration>,
    /// The oldest messages are removed beyond this size, in bytes, of each stream; none: what the
    /// stream has.
    pub bytes_max: Option<i64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { replicas: 1, age_max: None, bytes_max: None }
    }
}

/// How several relays on one log get along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Each stream has one at work at a time; the others stand by.
    Leases,
    /// All publish everything, as fast as they can. The outcome is the same, the work is not.
    Racing,
}

impl Settings {
    /// The usual stream on one server.
    #[must_use]
    pub fn at(nats: Nats) -> Self {
        Self {
            nats,
            stream: STREAM.to_owned(),
            partitions: 1,
            limits: Limits::default(),
            sharing: Sharing::Leases,
            atomic_batches: true,
        }
    }

    #[must_use]
    pub fn partitions(&self) -> Vec<Partition> {
        Partition::all(&self.stream, self.partitions)
    }
}

/// Of the follower of a stream, and of its checkpoint.
fn follower_name(stream: &str) -> String {
    format!("relay/{stream}")
}

/// Publishes the public events of the log until `shutdown`. With NATS, Postgres or the log away it
/// waits and catches up later. Any number of relays may run on one log.
///
/// # Errors
/// [`FollowError`] when going on would be guessing: its source is a [`Halt`], which says what an
/// operator does next, or an event that cannot be read. Nothing is skipped.
pub async fn run(
    log: EventLog,
    pool: PgPool,
    settings: Settings,
    shutdown: CancellationToken,
) -> Result<(), FollowError> {
    Crew::new(log, pool, settings).work(shutdown).await
}
