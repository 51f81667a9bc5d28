//! What operators see of the relay, and what they may do to it.

use std::time::Duration;

use domain::{Position, Timestamp};
use eventlog::{Delivery, EventLog, LogError, checkpoint};
use futures::StreamExt;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::contract::PublicEvent;
use crate::halt::Halt;
use crate::nats::{Nats, connect};
use crate::progress::{self, Progress};
use crate::resume::{self, Last, Resume, Stored, StreamState};
use crate::{BrokerError, Partition, broker, crew, follower_name, layout, share};

/// Beyond so many it is only said that there are more.
const WAITING_COUNTED_MAX: u64 = 100_000;

/// Why something was not done, or cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error("Postgres cannot be asked")]
    Database(#[from] sqlx::Error),
    #[error("NATS cannot be asked")]
    Broker(#[from] BrokerError),
    #[error("the log cannot be asked")]
    Log(#[from] LogError),
    #[error(transparent)]
    Halt(#[from] Halt),
    #[error(
        "a relay (process {holder}) is at work on stream {stream}; end all relays first, and wait \
         {} s if they were killed", share::LEASE.as_secs()
    )]
    AtWork { stream: String, holder: Uuid },
    #[error(
        "stream {stream} holds events up to position {position}, so a relay would go on there; \
         with --remove-stream the stream is removed and a new one filled"
    )]
    NotEmpty { stream: String, position: Position },
    #[error("position {to} is past the end of the log; `ticketing log stats` tells where that is")]
    PastTheLog { to: Position },
}

/// How a stream is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub stream: String,
    /// None: there is no such stream, or NATS is away.
    pub messages: Option<u64>,
    pub bytes: Option<u64>,
    pub last_sequence: Option<u64>,
    /// In the log, of the last message; none if there is none, or no relay wrote it.
    pub last_position: Option<String>,
    /// How far a relay has followed the log.
    pub checkpoint: Option<String>,
    /// Public events that are not in the stream yet.
    pub waiting: u64,
    /// Whether those are only the first of more.
    pub more_waiting: bool,
    /// For how long the oldest of them has waited.
    pub waiting_seconds: Option<u64>,
    /// The process that works on it, and how often it has changed hands; none if nobody does.
    pub holder: Option<Uuid>,
    pub epoch: Option<i64>,
    /// Why its relay refuses to go on, and what to do.
    pub halted: Option<String>,
    /// Why NATS could not be asked.
    pub unreachable: Option<String>,
}

/// What a relay will do when it is started next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Fill the stream after this position; none: from the beginning of the log.
    Fill(Option<Position>),
    /// Go on behind what the stream holds.
    GoOn { sequence: u64, after: Option<Position> },
}

/// The relay as its operators see it.
#[derive(Clone, Debug)]
pub struct Desk {
    pub log: EventLog,
    pub pool: PgPool,
    pub nats: Nats,
}

impl Desk {
    /// # Errors
    /// Postgres or the log away. NATS away is part of the answer.
    pub async fn status(&self, partition: &Partition) -> Result<Status, DeskError> {
        crew::install(&self.pool).await?;
        let stream = partition.stream();
        let stored = self.stored(&stream).await?;
        let holder = share::holder(&self.pool, &stream).await?;
        let found = self.find(&stream).await;
        let (found, unreachable) = match found {
            Ok(found) => (found, None),
            Err(error) => (None, Some(with_cause(&error))),
        };
        let last = found.as_ref().and_then(|(state, _)| marked(state));
        let after = last.max(stored.checkpoint).or(stored.begins_after());
        let (waiting, since) = self.waiting(partition, after).await?;
        Ok(Status {
            messages: found.as_ref().map(|(_, held)| held.messages),
            bytes: found.as_ref().map(|(_, held)| held.bytes),
            last_sequence: found.as_ref().map(|(state, _)| state.last_sequence),
            last_position: last.map(|position| position.to_string()),
            checkpoint: stored.checkpoint.map(|position| position.to_string()),
            waiting,
            more_waiting: waiting == WAITING_COUNTED_MAX,
            waiting_seconds: since.map(|since| since.as_secs()),
            holder: holder.as_ref().map(|holder| holder.holder),
            epoch: holder.as_ref().map(|holder| holder.epoch),
            halted: stored.progress.and_then(|progress| progress.halted),
            unreachable,
            stream,
        })
    }

    /// Takes a stream as it is now for right: a relay fills an empty one from the log, and goes on
    /// behind the last message of one that relays have made.
    ///
    /// # Errors
    /// A relay is at work, or the stream is none that a relay could go on with.
    pub async fn resume(&self, partition: &Partition) -> Result<Next, DeskError> {
        let stream = partition.stream();
        self.nobody_at_work(&stream).await?;
        let begins_after = self.stored(&stream).await?.begins_after();
        let Some((state, _)) = self.find(&stream).await? else {
            self.place(&stream, begins_after, begun_after(begins_after)).await?;
            return Ok(Next::Fill(begins_after));
        };
        let unknown = Stored { checkpoint: begins_after, progress: None };
        let Resume { after, .. } =
            resume::after(&stream, &state, &unknown, self.log.head().await?)?;
        let sequence = state.last_sequence;
        let known = Progress { created: state.created, sequence, ..begun_after(begins_after) };
        self.place(&stream, after, known).await?;
        Ok(if sequence == 0 { Next::Fill(after) } else { Next::GoOn { sequence, after } })
    }

    /// Has a stream filled after a position of the log; none: from its beginning. With `remove` the
    /// stream is removed first.
    ///
    /// # Errors
    /// A relay is at work, or the stream holds events: they would be there twice.
    pub async fn rewind(
        &self,
        partition: &Partition,
        to: Option<Position>,
        remove: bool,
    ) -> Result<Next, DeskError> {
        let stream = partition.stream();
        self.nobody_at_work(&stream).await?;
        let head = self.log.head().await?;
        if let Some(to) = to.filter(|to| head.is_none_or(|head| *to > head)) {
            return Err(DeskError::PastTheLog { to });
        }
        let found = self.find(&stream).await?;
        if remove && found.is_some() {
            let jetstream = connect(&self.nats).await?;
            broker::within(jetstream.delete_stream(&stream)).await?;
        } else if let Some((state, _)) = found {
            return self.rewind_kept(&stream, to, state, head).await;
        }
        self.place(&stream, to, begun_after(to)).await?;
        Ok(Next::Fill(to))
    }

    /// Allows the streams of this name to be published in so many partitions too.
    ///
    /// # Errors
    /// Of Postgres.
    pub async fn grow(&self, name: &str, partitions: u16) -> Result<(), DeskError> {
        crew::install(&self.pool).await?;
        Ok(layout::allow(&self.pool, name, partitions).await?)
    }

    /// In how many partitions the streams of this name may be published; empty before the first
    /// relay has run.
    ///
    /// # Errors
    /// Of Postgres.
    pub async fn layout(&self, name: &str) -> Result<Vec<u16>, DeskError> {
        crew::install(&self.pool).await?;
        Ok(layout::read(&self.pool, name).await?)
    }

    async fn rewind_kept(
        &self,
        stream: &str,
        to: Option<Position>,
        state: StreamState,
        head: Option<Position>,
    ) -> Result<Next, DeskError> {
        let sequence = state.last_sequence;
        match state.last {
            Last::Never => {
                self.place(stream, to, begun_after(to)).await?;
                Ok(Next::Fill(to))
            }
            // Nothing in the stream tells how far it had come, so the operator does.
            Last::Gone => {
                let known = Progress { created: state.created, sequence, ..Progress::default() };
                self.place(stream, to, known).await?;
                Ok(Next::GoOn { sequence, after: to })
            }
            Last::Marked(mark) => {
                Err(DeskError::NotEmpty { stream: stream.to_owned(), position: mark.position })
            }
            Last::Foreign => {
                resume::after(stream, &state, &Stored::default(), head)?;
                Ok(Next::GoOn { sequence, after: to })
            }
        }
    }

    async fn stored(&self, stream: &str) -> sqlx::Result<Stored> {
        let checkpoint = checkpoint::read(&self.pool, &follower_name(stream)).await?;
        Ok(Stored { checkpoint, progress: progress::read(&self.pool, stream).await? })
    }

    async fn nobody_at_work(&self, stream: &str) -> Result<(), DeskError> {
        crew::install(&self.pool).await?;
        match share::holder(&self.pool, stream).await? {
            Some(share::Holder { holder, .. }) => {
                Err(DeskError::AtWork { stream: stream.to_owned(), holder })
            }
            None => Ok(()),
        }
    }

    async fn find(&self, stream: &str) -> Result<Option<(StreamState, Held)>, BrokerError> {
        let jetstream = connect(&self.nats).await?;
        let Some(stream) = broker::within(broker::find(&jetstream, stream)).await? else {
            return Ok(None);
        };
        let held = &stream.cached_info().state;
        let held = Held { messages: held.messages, bytes: held.bytes };
        Ok(Some((broker::state(&stream).await?, held)))
    }

    /// How many public events lie behind a position, and for how long the first has.
    async fn waiting(
        &self,
        partition: &Partition,
        after: Option<Position>,
    ) -> Result<(u64, Option<Duration>), LogError> {
        let (mut count, mut since) = (0, None);
        let mut deliveries = std::pin::pin!(self.log.subscribe(after));
        while let Some(delivery) = deliveries.next().await {
            match delivery? {
                Delivery::CaughtUp => break,
                Delivery::Checkpoint(_) => {}
                Delivery::Event(recorded) => {
                    let event = PublicEvent::of(&recorded).ok().flatten();
                    if event.is_some_and(|event| partition.takes(&event)) {
                        count += 1;
                        since.get_or_insert(recorded.metadata.occurred_at);
                    }
                    if count == WAITING_COUNTED_MAX {
                        break;
                    }
                }
            }
        }
        Ok((count, since.map(age)))
    }

    /// Both or neither.
    async fn place(
        &self,
        stream: &str,
        checkpoint: Option<Position>,
        progress: Progress,
    ) -> sqlx::Result<()> {
        let mut transaction = self.pool.begin().await?;
        let connection: &mut PgConnection = &mut transaction;
        let name = follower_name(stream);
        checkpoint::forget(connection, &name).await?;
        if let Some(checkpoint) = checkpoint {
            checkpoint::advance(connection, &name, None, checkpoint).await?;
        }
        progress::record(connection, stream, &progress).await?;
        transaction.commit().await
    }
}

struct Held {
    messages: u64,
    bytes: u64,
}

/// Of a stream in which nothing is known to have been published.
fn begun_after(begins_after: Option<Position>) -> Progress {
    Progress { begins_after, ..Progress::default() }
}

fn marked(state: &StreamState) -> Option<Position> {
    match state.last {
        Last::Marked(mark) => Some(mark.position),
        Last::Never | Last::Gone | Last::Foreign => None,
    }
}

fn age(moment: Timestamp) -> Duration {
    let now = Timestamp::from(std::time::SystemTime::now());
    now.signed_duration_since(moment).to_std().unwrap_or_default()
}

fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
