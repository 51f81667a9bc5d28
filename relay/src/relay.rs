//! The follower that publishes.

use std::error::Error;
use std::time::SystemTime;

use async_trait::async_trait;
use domain::{DomainEvent, Position, Recorded, Timestamp};
use eventlog::{EventLog, Follower, TakeError, checkpoint};
use metrics::{counter, gauge};
use sqlx::PgPool;

use crate::broker::{self, Broker};
use crate::contract::PublicEvent;
use crate::halt::Halt;
use crate::message::Message;
use crate::mutant::{self, Mutant};
use crate::progress::{self, Progress};
use crate::publish::{PublishError, Way, publish};
use crate::resume::{self, Last, Resume, Stored};
use crate::share::{self, Epoch};
use crate::{Partition, follower_name};

/// Publishes what is public and moves the checkpoint behind it.
pub(crate) struct Relay {
    log: EventLog,
    pool: PgPool,
    broker: Broker,
    partition: Partition,
    stream: String,
    /// Of the follower and of its checkpoint.
    name: String,
    /// Of the lease under which it works; none without one.
    epoch: Option<Epoch>,
    /// Known to be true at the last step. None after any error: then only the stream itself says
    /// what was published.
    standing: Option<Standing>,
    /// When the first event happened that could not be published yet.
    waiting_since: Option<Timestamp>,
}

/// How far the relay has come.
struct Standing {
    /// As it lies in Postgres.
    checkpoint: Option<Position>,
    progress: Progress,
    way: Way,
}

impl Relay {
    pub(crate) fn new(
        log: EventLog,
        pool: PgPool,
        broker: Broker,
        partition: Partition,
        epoch: Option<Epoch>,
    ) -> Self {
        let stream = partition.stream();
        Self {
            log,
            pool,
            broker,
            partition,
            name: follower_name(&stream),
            stream,
            epoch,
            standing: None,
            waiting_since: None,
        }
    }

    /// Reads from Postgres and from the stream where things are.
    async fn sync(&mut self) -> Result<(Option<Position>, Standing), TakeError> {
        // Postgres first. It runs behind the stream, never ahead of it, so the stream read after
        // it is shorter only if it has lost something.
        let stored = self.stored().await.map_err(transient)?;
        let stream = match self.broker.find().await.map_err(transient)? {
            Some(stream) => stream,
            None if stored.published() > 0 => {
                let (stream, published) = (self.stream.clone(), stored.published());
                return Err(halt(Halt::StreamGone { stream, published }));
            }
            None => self.broker.create().await.map_err(transient)?,
        };
        let state = broker::state(&stream).await.map_err(transient)?;
        // The log after the stream: everything in the stream was in the log before.
        let head = self.log.head().await.map_err(transient)?;
        let resumed = resume::after(&self.stream, &state, &stored, head).map_err(halt)?;
        self.tell(resumed, &stored).await;
        let after = self.without_resync(&state.last, &stored).unwrap_or(resumed.after);
        let progress = Progress {
            created: state.created,
            sequence: state.last_sequence,
            begins_after: stored.begins_after(),
            halted: None,
        };
        Ok((after, Standing { checkpoint: stored.checkpoint, progress, way: state.way }))
    }

    /// What happened is for operators to know, though nobody has to do anything.
    async fn tell(&self, Resume { lost, after }: Resume, stored: &Stored) {
        if lost > 0 {
            let left =
                after.map_or_else(|| "nothing".to_owned(), |left| format!("all up to {left}"));
            tracing::error!(
                stream = self.stream,
                "ALERT: the stream has lost {lost} events that NATS had acknowledged; {left} is \
                 left, and the rest is filled in again from the log. See that the NATS servers \
                 sync before they acknowledge (sync_interval: always) and keep enough replicas"
            );
            counter!("relay_refilled_total", "stream" => self.stream.clone()).increment(lost);
        }
        if stored.progress.as_ref().is_some_and(|progress| progress.halted.is_some()) {
            // Only a note: what is noted is corrected at the next checkpoint too.
            let _noted = progress::note_halt(&self.pool, &self.stream, None).await;
        }
    }

    /// Where [`Mutant::NoResync`] and [`Mutant::CheckpointFirst`] go on.
    fn without_resync(&self, last: &Last, stored: &Stored) -> Option<Option<Position>> {
        let published = matches!(last, Last::Marked(_));
        let blind = mutant::is_made(Mutant::NoResync) || mutant::is_made(Mutant::CheckpointFirst);
        (blind && published).then_some(stored.checkpoint)
    }

    async fn stored(&self) -> sqlx::Result<Stored> {
        // One transaction moves both, so one must read both.
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .execute(&mut *transaction)
            .await?;
        let checkpoint = checkpoint::read(&mut *transaction, &self.name).await?;
        let progress = progress::read(&mut *transaction, &self.stream).await?;
        transaction.commit().await?;
        Ok(Stored { checkpoint, progress })
    }

    async fn take_from(
        &mut self,
        standing: Standing,
        batch: &[Recorded<DomainEvent>],
        end: Position,
    ) -> Result<Standing, TakeError> {
        let Standing { mut checkpoint, progress, way } = standing;
        let messages = self.messages(batch, progress.sequence).map_err(halt)?;
        if mutant::is_made(Mutant::CheckpointFirst) {
            self.store(checkpoint, end, &progress).await.map_err(transient)?;
            checkpoint = Some(end);
        }
        let sequence = if messages.is_empty() {
            progress.sequence
        } else {
            let jetstream = self.broker.connected().await.map_err(transient)?;
            publish(&jetstream, way, progress.sequence, messages).await.map_err(not_published)?
        };
        counter!("relay_published_total", "stream" => self.stream.clone())
            .increment(sequence.saturating_sub(progress.sequence));
        let progress = Progress { sequence, ..progress };
        if self.store(checkpoint, end, &progress).await.map_err(transient)? {
            Ok(Standing { checkpoint: Some(end), progress, way })
        } else {
            Err(TakeError::StoodDown)
        }
    }

    fn messages(
        &self,
        batch: &[Recorded<DomainEvent>],
        sequence: u64,
    ) -> Result<Vec<Message>, Halt> {
        let mut messages = Vec::with_capacity(batch.len());
        let mut ordinal = sequence;
        for recorded in batch {
            let event = PublicEvent::of(recorded)?;
            if let Some(event) = event.filter(|event| self.partition.takes(event)) {
                ordinal += 1;
                messages.push(Message::new(&self.partition, &event, recorded, ordinal)?);
            }
        }
        Ok(messages)
    }

    /// False: another relay has moved the checkpoint, or the stream has changed hands.
    async fn store(
        &self,
        old: Option<Position>,
        new: Position,
        progress: &Progress,
    ) -> sqlx::Result<bool> {
        let mut transaction = self.pool.begin().await?;
        let ours = match self.epoch {
            Some(epoch) => share::still(&mut transaction, &self.stream, epoch).await?,
            None => true,
        };
        if !ours || !checkpoint::advance(&mut transaction, &self.name, old, new).await? {
            transaction.rollback().await?;
            return Ok(false);
        }
        progress::record(&mut transaction, &self.stream, progress).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// For operators: how long the oldest event that is not out yet has waited, and whether the
    /// relay knows where it stands.
    fn report(&self) {
        let waited = self.waiting_since.map_or(0.0, seconds_since);
        gauge!("relay_lag_seconds", "stream" => self.stream.clone()).set(waited);
        let ready = if self.standing.is_some() { 1.0 } else { 0.0 };
        gauge!("relay_ready", "stream" => self.stream.clone()).set(ready);
    }
}

#[async_trait]
impl Follower for Relay {
    fn name(&self) -> &str {
        &self.name
    }

    async fn position(&mut self) -> Result<Option<Position>, TakeError> {
        self.standing = None;
        let outcome = self.sync().await.map(|(position, standing)| {
            self.standing = Some(standing);
            // What is not out yet comes again.
            self.waiting_since = None;
            position
        });
        self.report();
        outcome
    }

    async fn take(
        &mut self,
        batch: &[Recorded<DomainEvent>],
        end: Position,
    ) -> Result<(), TakeError> {
        let ours = |recorded: &&Recorded<DomainEvent>| {
            let event = PublicEvent::of(recorded).ok().flatten();
            event.is_some_and(|event| self.partition.takes(&event))
        };
        let first = batch.iter().find(ours);
        if let Some(recorded) = first {
            self.waiting_since = Some(recorded.metadata.occurred_at);
        }
        // After an error some of this batch may be out: it must not be tried again as it is.
        let Some(standing) = self.standing.take() else { return Err(TakeError::StoodDown) };
        self.report();
        let standing = self.take_from(standing, batch, end).await?;
        self.standing = Some(standing);
        self.waiting_since = None;
        self.report();
        Ok(())
    }
}

fn transient(error: impl Error + Send + Sync + 'static) -> TakeError {
    TakeError::Transient(Box::new(error))
}

fn halt(halt: impl Into<Halt>) -> TakeError {
    TakeError::Halt(Box::new(halt.into()))
}

fn not_published(error: PublishError) -> TakeError {
    match error {
        PublishError::Fenced => TakeError::StoodDown,
        PublishError::Broker(error) => transient(error),
    }
}

fn seconds_since(moment: Timestamp) -> f64 {
    let waited = Timestamp::from(SystemTime::now()).signed_duration_since(moment);
    // Clocks of two machines may differ: not waited at all, then.
    waited.to_std().unwrap_or_default().as_secs_f64()
}
