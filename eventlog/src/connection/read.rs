//! Reads: of a stream from a revision on, and of the end of the log.

use std::sync::Arc;

use domain::{Position, Revision};
use eventstore::{
    ReadAllOptions, ReadStreamOptions, RecordedEvent, StreamPosition, SubscriptionFilter,
};

use crate::LogError;
use crate::codec::Stored;
use crate::connection::{Connection, Failure, Link, ours};

/// Whether a read is to give more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    GoOn,
    Stop,
}

impl Connection {
    /// Gives every event of a stream from a revision on to `take`; none when there is no stream.
    ///
    /// # Errors
    /// Of the log, after which some events may have been given; or the first that `take` gives.
    pub(crate) async fn read_stream(
        &self,
        stream: &str,
        from: u64,
        mut take: impl FnMut(Stored) -> Result<(), LogError> + Send,
    ) -> Result<(), LogError> {
        self.read_some(stream, from, |stored| take(stored).map(|()| Reading::GoOn)).await
    }

    /// The same, until `take` has enough.
    ///
    /// # Errors
    /// As of [`Connection::read_stream`].
    pub(crate) async fn read_some(
        &self,
        stream: &str,
        from: u64,
        mut take: impl FnMut(Stored) -> Result<Reading, LogError> + Send,
    ) -> Result<(), LogError> {
        let link = self.link().await?;
        let options = ReadStreamOptions::default()
            .position(StreamPosition::Position(from))
            .requires_leader(true);
        let opening = Box::pin(link.client.read_stream(stream, &options));
        let opening = link.answered(opening).await;
        let mut events = match opening {
            Ok(events) => events,
            Err(failure) => return self.end_of_read(&link, failure),
        };
        loop {
            match link.answered(events.next()).await {
                Ok(Some(resolved)) => {
                    if let Some(event) = resolved.event
                        && take(stored(event))? == Reading::Stop
                    {
                        return Ok(());
                    }
                }
                Ok(None) => return Ok(()),
                Err(failure) => return self.end_of_read(&link, failure),
            }
        }
    }

    /// The position of the last event in the log that passes the filter.
    pub(crate) async fn last_position(
        &self,
        filter: Option<SubscriptionFilter>,
    ) -> Result<Option<Position>, LogError> {
        let link = self.link().await?;
        let options = ReadAllOptions::default().position(StreamPosition::End).max_count(1);
        let options = match filter {
            Some(filter) => options.filter(filter),
            None => options,
        };
        let last = Box::pin(async { link.client.read_all(&options).await?.next().await });
        match link.answered(last).await {
            Ok(last) => Ok(last.and_then(|it| it.event).map(|event| ours(event.position))),
            Err(failure) => Err(self.failed(&link, failure)),
        }
    }

    fn end_of_read(&self, link: &Arc<Link>, failure: Failure) -> Result<(), LogError> {
        if failure == Failure::NotFound { Ok(()) } else { Err(self.failed(link, failure)) }
    }
}

pub(super) fn stored(event: RecordedEvent) -> Stored {
    Stored {
        id: event.id,
        stream: event.stream_id().to_owned(),
        revision: Revision(event.revision),
        position: ours(event.position),
        at: event.created,
        event_type: event.event_type,
        body: event.data,
        metadata: event.custom_metadata,
    }
}
