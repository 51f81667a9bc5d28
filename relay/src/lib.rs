//! Events in, NATS JetStream out: the stream holds the log's public events, each once, in the
//! order of the log.
//!
//! The map:
//! - [`run`]: the relay itself, until it is told to end.
//! - [`contract`]: what the outside may know of a domain event; `asyncapi.yaml` describes it.
//! - `subject`, `message`: where an event goes, and what it looks like there.
//! - `broker`: the connection to NATS and the stream kept as code.
//! - `publish`: fenced publishing.
//! - `resume`: where to go on, and when going on would be guessing.
//! - `progress`: how far the stream had come, in Postgres, to notice a stream that lost something.
//! - `relay`: the follower that ties them together.
//! - [`reckoning`]: counts for those who compare the log with the stream.
//!
//! Exactly once, without a lock: every publish names the sequence it expects to come after, of the
//! whole stream. Whoever else has published makes it fail; then, as at the start, the relay reads
//! the last message, which carries its position in the log, and goes on after that. So the stream
//! itself says what it holds, and a lost acknowledgement, a crash or a second relay change nothing.

mod broker;
pub mod contract;
mod halt;
mod message;
mod progress;
mod publish;
pub mod reckoning;
mod relay;
mod resume;
mod subject;

use eventlog::{EventLog, FollowError};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

pub use contract::ASYNCAPI;
pub use halt::Halt;
pub use reckoning::{BrokerError, StreamSummary, count_public, stream_summary};

use crate::relay::Relay;

/// The usual name of the stream.
pub const STREAM: &str = "TICKETING";

/// Where the public events go.
#[derive(Clone, Debug)]
pub struct Settings {
    /// As NATS clients take it: `nats://host:4222`, with user and password if there are any.
    pub nats_url: String,
    /// The JetStream stream; it is created if it is not there.
    pub stream: String,
    /// How many servers keep each message: 1, or 3 in a cluster.
    pub replicas: usize,
}

impl Settings {
    /// The usual stream on one server.
    #[must_use]
    pub fn at(nats_url: impl Into<String>) -> Self {
        Self { nats_url: nats_url.into(), stream: STREAM.to_owned(), replicas: 1 }
    }

    /// Whether the address can be read; nothing is connected to.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> std::io::Result<()> {
        self.nats_url.parse::<async_nats::ServerAddr>().map(drop)
    }
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
    let mut relay = Relay::new(log.clone(), pool, settings);
    eventlog::follow(&log, &mut relay, shutdown).await
}
