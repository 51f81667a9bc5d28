//! Following the whole log, as a stream of deliveries.

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

enum Stage {
    Closed { after: Option<Position> },
    Open(Box<Feed>),
}

pub(crate) fn subscribe(
    connection: Arc<Connection>,
    after: Option<Position>,
) -> impl Stream<Item = Result<Delivery, LogError>> + Send + use<> {
    try_unfold(Stage::Closed { after }, move |stage| {
        let connection = Arc::clone(&connection);
        async move {
            let mut feed = match stage {
                Stage::Open(feed) => feed,
                Stage::Closed { after } => Box::new(connection.subscribe_to_all(after).await?),
            };
            let delivery = next(&connection, &mut feed).await?;
            Ok(Some((delivery, Stage::Open(feed))))
        }
    })
}

async fn next(connection: &Connection, feed: &mut Feed) -> Result<Delivery, LogError> {
    loop {
        match connection.next(feed).await? {
            FeedEvent::Checkpoint(position) => return Ok(Delivery::Checkpoint(position)),
            FeedEvent::CaughtUp => return Ok(Delivery::CaughtUp),
            FeedEvent::Event(stored) => {
                if let Some(event) = decode_any(&stored)? {
                    return Ok(Delivery::Event(event));
                }
            }
        }
    }
}
