//! Counts for those who compare the log with the stream.

use domain::Position;
use eventlog::{Delivery, EventLog, LogError};
use futures::StreamExt;

pub use crate::broker::BrokerError;
use crate::broker::{find, state, within};
use crate::contract;
use crate::nats::{Nats, connect};
use crate::resume::Last;

/// What a stream holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamSummary {
    pub messages: u64,
    /// In the log, of the event published last; none if nothing was, or not by a relay.
    pub last_position: Option<Position>,
}

/// What a JetStream stream holds; nothing, if there is no such stream.
///
/// # Errors
/// NATS away.
pub async fn stream_summary(nats: &Nats, stream: &str) -> Result<StreamSummary, BrokerError> {
    let jetstream = connect(nats).await?;
    let Some(stream) = within(find(&jetstream, stream)).await? else {
        return Ok(StreamSummary::default());
    };
    let last_position = match state(&stream).await?.last {
        Last::Marked(mark) => Some(mark.position),
        Last::Never | Last::Gone | Last::Foreign => None,
    };
    Ok(StreamSummary { messages: stream.cached_info().state.messages, last_position })
}

/// How many public events the log holds: what the stream has when the relay has caught up.
///
/// # Errors
/// [`LogError`].
pub async fn count_public(log: &EventLog) -> Result<u64, LogError> {
    let mut public = 0;
    let mut deliveries = std::pin::pin!(log.subscribe(None));
    while let Some(delivery) = deliveries.next().await {
        match delivery? {
            Delivery::Event(recorded) if contract::is_public(&recorded.event) => public += 1,
            Delivery::Event(_) | Delivery::Checkpoint(_) => {}
            Delivery::CaughtUp => return Ok(public),
        }
    }
    Err(LogError::Unavailable("the subscription ended before the end of the log".to_owned()))
}
