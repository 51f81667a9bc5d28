//! Following the whole log, one delivery after another.

use std::sync::Arc;

use domain::{DomainEvent, Position, Recorded};
use futures::Stream;
use futures::stream::try_unfold;

use crate::LogError;
use crate::codec::decode_any;
use crate::connection::{Connection, Feed, FeedEvent};

/// What a subscription gives.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "nearly all are events; a box for each costs more")]
pub enum Delivery {
    Event(Recorded<DomainEvent>),
    /// Nothing of ours lies between the last delivery and here.
    Checkpoint(Position),
    /// Everything that was in the log has been delivered; what comes now is new.
    CaughtUp,
}

/// A subscription to every event of ours, for whoever reads a great many: a stream moves each of them
/// about several times more.
#[derive(Debug)]
pub struct Deliveries {
    connection: Arc<Connection>,
    after: Option<Position>,
    /// Opened by the first call.
    feed: Option<Feed>,
}

impl Deliveries {
    pub(crate) fn new(connection: Arc<Connection>, after: Option<Position>) -> Self {
        Self { connection, after, feed: None }
    }

    /// Waits for the next one.
    ///
    /// # Errors
    /// [`LogError`], after which it is of no use any more: subscribe again after the last position
    /// seen.
    pub async fn next(&mut self) -> Result<Delivery, LogError> {
        let feed = match &mut self.feed {
            Some(feed) => feed,
            None => self.feed.insert(self.connection.subscribe_to_all(self.after).await?),
        };
        loop {
            match self.connection.next(feed).await? {
                FeedEvent::Checkpoint(position) => return Ok(Delivery::Checkpoint(position)),
                FeedEvent::CaughtUp => return Ok(Delivery::CaughtUp),
                FeedEvent::Event(stored) => {
                    if let Some(event) = decode_any(stored)? {
                        return Ok(Delivery::Event(event));
                    }
                }
            }
        }
    }
}

pub(crate) fn subscribe(
    deliveries: Deliveries,
) -> impl Stream<Item = Result<Delivery, LogError>> + Send + use<> {
    try_unfold(Box::new(deliveries), |mut deliveries| async move {
        let next = deliveries.next().await?;
        Ok(Some((next, deliveries)))
    })
}
