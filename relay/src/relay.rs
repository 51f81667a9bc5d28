//! The follower that publishes.

use std::error::Error;
use std::slice;
use std::time::SystemTime;

use async_trait::async_trait;
use domain::{DomainEvent, Position, Recorded, Timestamp};
use eventlog::{EventLog, Follower, TakeError, checkpoint};
use metrics::{counter, gauge};
use mutants::Mutant;
use sqlx::PgPool;

use crate::bookkeeper::{Bookkeeper, Entry};
use crate::broker::{self, Broker};
use crate::contract::PublicEvent;
use crate::halt::Halt;
use crate::message::Message;
use crate::progress::{self, Progress};
use crate::publish::{PublishError, Way, publish};
use crate::resume::{self, Last, Resume, Stored};
use crate::share::Epoch;
use crate::{Partition, follower_name};

/// Publishes what is public and has the checkpoint moved behind it.
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
    /// None before the first look at where things are.
    book: Option<Bookkeeper>,
    /// When the first event happened that could not be published yet.
    waiting_since: Option<Timestamp>,
}

/// How far the relay has come.
struct Standing {
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
            book: None,
            waiting_since: None,
        }
    }

    /// Moves the checkpoint as far as it has come; for an orderly end.
    pub(crate) async fn close(&mut self) {
        if let Some(book) = self.book.take() {
            book.close().await;
        }
    }

    /// Reads from Postgres and from the stream where things are.
    async fn sync(&mut self) -> Result<(Option<Position>, Standing), TakeError> {
        // Else it would move the checkpoint after it was read.
        self.close().await;
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
        let (pool, checkpoint) = (self.pool.clone(), stored.checkpoint);
        self.book = Some(Bookkeeper::new(pool, &self.stream, self.epoch, checkpoint));
        Ok((after, Standing { progress, way: state.way }))
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
        let blind = Mutant::NoResync.is_made() || Mutant::CheckpointFirst.is_made();
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
        &self,
        book: &Bookkeeper,
        Standing { progress, way }: Standing,
        batch: &[Recorded<DomainEvent>],
        end: Position,
    ) -> Result<Standing, TakeError> {
        if book.is_overtaken() {
            self.count_fenced("checkpoint");
            return Err(TakeError::StoodDown);
        }
        if Mutant::CheckpointFirst.is_made() {
            book.enter(Entry { end, progress: progress.clone() });
        }
        let before = progress.sequence;
        let mut messages =
            Messages { relay: self, batch: batch.iter(), ordinal: before }.peekable();
        let sequence = if messages.peek().is_none() {
            before
        } else {
            let jetstream = self.broker.connected().await.map_err(transient)?;
            let outcome = publish(&jetstream, way, before, messages).await;
            outcome.map_err(|error| self.not_published(error))?
        };
        counter!("relay_published_total", "stream" => self.stream.clone())
            .increment(sequence.saturating_sub(before));
        let progress = Progress { sequence, ..progress };
        book.enter(Entry { end, progress: progress.clone() });
        Ok(Standing { progress, way })
    }

    /// None: it is not for this stream.
    fn message(
        &self,
        recorded: &Recorded<DomainEvent>,
        ordinal: u64,
    ) -> Result<Option<Message>, Halt> {
        let event = PublicEvent::of(recorded)?;
        let ours = event.filter(|event| self.partition.takes(event));
        let make = |event| Message::new(&self.partition, &event, recorded, ordinal);
        Ok(ours.map(make).transpose()?)
    }

    fn not_published(&self, error: PublishError) -> TakeError {
        match error {
            PublishError::Fenced => {
                self.count_fenced("stream");
                TakeError::StoodDown
            }
            PublishError::Broker(error) => transient(error),
            PublishError::Unfit(why) => halt(why),
        }
    }

    /// Somebody else was faster: at the stream itself, or at the checkpoint.
    fn count_fenced(&self, at: &'static str) {
        counter!("relay_fenced_total", "stream" => self.stream.clone(), "at" => at).increment(1);
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

/// What of a batch is for the stream, made into messages one at a time.
struct Messages<'a> {
    relay: &'a Relay,
    batch: slice::Iter<'a, Recorded<DomainEvent>>,
    ordinal: u64,
}

impl Iterator for Messages<'_> {
    type Item = Result<Message, Halt>;

    fn next(&mut self) -> Option<Self::Item> {
        let relay = self.relay;
        let ordinal = self.ordinal + 1;
        let made = self.batch.find_map(|recorded| relay.message(recorded, ordinal).transpose())?;
        self.ordinal = ordinal;
        Some(made)
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
        let (Some(standing), Some(book)) = (self.standing.take(), &self.book) else {
            return Err(TakeError::StoodDown);
        };
        self.report();
        let standing = self.take_from(book, standing, batch, end).await?;
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

fn seconds_since(moment: Timestamp) -> f64 {
    let waited = Timestamp::from(SystemTime::now()).signed_duration_since(moment);
    // Clocks of two machines may differ: not waited at all, then.
    waited.to_std().unwrap_or_default().as_secs_f64()
}
