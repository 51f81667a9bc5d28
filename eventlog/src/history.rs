//! Looks into the log that are over: one stream, or how much there is between two places.

use domain::{DomainEvent, Position, Recorded, Revision, Timestamp};

use crate::LogError;
use crate::codec::{decode_any, occurred_at};
use crate::connection::{Connection, FeedEvent, Reading};

/// Part of a stream.
#[derive(Clone, Debug)]
pub struct History {
    pub events: Vec<Recorded<DomainEvent>>,
    /// The event behind them that cannot be read, if that is where they end.
    pub error: Option<LogError>,
}

impl History {
    pub(crate) async fn read(
        connection: &Connection,
        stream: &str,
        from: Revision,
        events_max: usize,
    ) -> Result<Self, LogError> {
        let (mut events, mut error) = (Vec::new(), None);
        let take = |stored| {
            if events.len() == events_max {
                return Ok(Reading::Stop);
            }
            match decode_any(stored) {
                Ok(event) => events.extend(event),
                Err(unreadable) => {
                    error = Some(unreadable);
                    return Ok(Reading::Stop);
                }
            }
            Ok(Reading::GoOn)
        };
        connection.read_some(stream, from.0, take).await?;
        Ok(Self { events, error })
    }
}

/// How much lies between two positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Between {
    pub events: u64,
    /// When the first of them happened.
    pub oldest: Option<Timestamp>,
}

impl Between {
    pub(crate) async fn count(
        connection: &Connection,
        after: Option<Position>,
        until: Position,
        events_max: u64,
    ) -> Result<Self, LogError> {
        let mut between = Self::default();
        if after >= Some(until) {
            return Ok(between);
        }
        let mut feed = connection.subscribe_to_all(after).await?;
        while between.events < events_max {
            match connection.next(&mut feed).await? {
                FeedEvent::Event(stored) if stored.position > until => break,
                FeedEvent::Event(stored) if stored.is_of_the_log() => {}
                FeedEvent::Event(stored) => {
                    between.events += 1;
                    if between.events == 1 {
                        between.oldest = occurred_at(&stored);
                    }
                    if stored.position == until {
                        break;
                    }
                }
                FeedEvent::Checkpoint(position) if position >= until => break,
                FeedEvent::Checkpoint(_) => {}
                FeedEvent::CaughtUp => break,
            }
        }
        Ok(between)
    }
}
