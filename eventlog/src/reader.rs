//! The read half of the log, for those who must not be able to append.

use std::sync::Arc;

use domain::{Aggregate, Position, Recorded, Revision};

use crate::codec::decode;
use crate::connection::{self, Connection, Reading};
use crate::execute::stream_of;
use crate::{Loaded, LogError};

/// Reads the log and has no way to change it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogReader {
    connection: Arc<Connection>,
}

impl LogReader {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        Self { connection }
    }

    /// The position of the last event of ours in the log.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn head(&self) -> Result<Option<Position>, LogError> {
        self.connection.last_position(Some(connection::our_streams())).await
    }

    /// The events of an aggregate from a revision on, `events_max` of them at most; none when there
    /// is no such aggregate.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn events<A: Aggregate>(
        &self,
        id: &A::Id,
        from: Revision,
        events_max: usize,
    ) -> Result<Vec<Recorded<A::Event>>, LogError> {
        let mut events = Vec::new();
        let take = |stored: crate::codec::Stored| {
            if events.len() == events_max {
                return Ok(Reading::Stop);
            }
            if !stored.is_of_the_log() {
                events.push(decode::<A::Event>(stored)?);
            }
            Ok(Reading::GoOn)
        };
        self.connection.read_some(&stream_of::<A>(id), from.0, take).await?;
        Ok(events)
    }

    /// The state that an aggregate once had: the fold of its events as long as `belongs`. One event
    /// at a time, however many there are.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn state_while<A: Aggregate>(
        &self,
        id: &A::Id,
        mut belongs: impl FnMut(&Recorded<A::Event>) -> bool + Send,
    ) -> Result<Loaded<A>, LogError> {
        let mut loaded = Loaded { state: A::default(), revision: None, position: None };
        let take = |stored: crate::codec::Stored| {
            if stored.is_of_the_log() {
                return Ok(Reading::GoOn);
            }
            let recorded = decode::<A::Event>(stored)?;
            if !belongs(&recorded) {
                return Ok(Reading::Stop);
            }
            loaded.state = std::mem::take(&mut loaded.state).evolve(&recorded.event);
            loaded.revision = Some(recorded.revision);
            loaded.position = Some(recorded.position);
            Ok(Reading::GoOn)
        };
        self.connection.read_some(&stream_of::<A>(id), 0, take).await?;
        Ok(loaded)
    }
}
