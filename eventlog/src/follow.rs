//! Followers: each takes every event of the log once, in order.

mod lag;

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use domain::{DomainEvent, Position, Recorded};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::backoff::Backoff;
use crate::follow::lag::Lag;
use crate::parking::Unfit;
use crate::{Delivery, EventLog, LogError};

/// The most events in one batch. A batch holds whatever is ready: one when live, more with the lag.
pub const BATCH_EVENTS_MAX: usize = 4_000;
/// A quiet follower's checkpoint moves at most so often.
const QUIET_CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
const RETRY_WAIT_FIRST: Duration = Duration::from_millis(50);
/// Between tries of what the follower itself does, such as a database that is away.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);
/// Between tries of the log, which costs less than a try of the follower.
const LOG_RETRY_WAIT_MAX: Duration = Duration::from_secs(1);
/// How long a follower that stood down leaves the field to the other.
const STOOD_DOWN_WAIT: Duration = Duration::from_secs(1);

/// Somebody who follows the log from end to end and keeps its own checkpoint.
#[async_trait]
pub trait Follower: Send {
    /// Names the follower in logs and metrics.
    fn name(&self) -> &str;

    /// Where it stands: it goes on after this. None: from the beginning of the log.
    async fn position(&mut self) -> Result<Option<Position>, TakeError>;

    /// Takes events in the order of the log and moves the checkpoint to `end`: both or neither.
    ///
    /// The batch may be empty: nothing of ours lies before `end`, and a quiet follower moves on.
    async fn take(
        &mut self,
        batch: &[Recorded<DomainEvent>],
        end: Position,
    ) -> Result<(), TakeError>;

    /// Sets the stream of an event that cannot be read aside and moves the checkpoint past the event.
    /// False, as long as nobody says otherwise: this follower stops at such an event.
    async fn set_aside(&mut self, _unreadable: &Unfit) -> Result<bool, TakeError> {
        Ok(false)
    }
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Another replica moved the checkpoint.
    #[error("another replica is at work")]
    StoodDown,
    /// Another replica is to do it, as long as it lives.
    #[error("another replica is at work, and this one stands by")]
    StandsBy,
    /// Worth trying again, such as a database away.
    #[error("could not take events for now")]
    Transient(#[source] Box<dyn Error + Send + Sync>),
    /// Not worth trying again; nothing is skipped.
    #[error("cannot take events")]
    Halt(#[source] Box<dyn Error + Send + Sync>),
}

/// Why a follower stopped before its end was asked for.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// An event that cannot be read; nothing after it was taken.
    #[error("follower {follower} stopped at the log")]
    Log {
        follower: String,
        #[source]
        source: LogError,
    },
    #[error("follower {follower} halted")]
    Halted {
        follower: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Runs a follower until `shutdown`.
///
/// Outages of the log and transient errors back off and go on for ever; a follower that stood down
/// waits and resumes from the stored position. A take under way is finished before the end.
///
/// # Errors
/// [`FollowError`] after a halt or an event that cannot be read; nothing is skipped.
pub async fn follow(
    log: &EventLog,
    follower: &mut impl Follower,
    shutdown: CancellationToken,
) -> Result<(), FollowError> {
    let name = follower.name().to_owned();
    let mut waits = Waits {
        take: Backoff::new(RETRY_WAIT_FIRST, RETRY_WAIT_MAX),
        log: Backoff::new(RETRY_WAIT_FIRST, LOG_RETRY_WAIT_MAX),
    };
    let lag = Lag::watch(log, &name);
    // There from the start: a counter that begins with 1 has not risen for who watches it.
    let halts = metrics::counter!("follower_halts_total", "follower" => name.clone());
    halts.increment(0);
    for kind in ["stood_down", "transient", "log_unavailable"] {
        metrics::counter!("follower_pauses_total", "follower" => name.clone(), "kind" => kind)
            .increment(0);
    }
    while !shutdown.is_cancelled() {
        let stop = run(log, follower, &lag, &name, &shutdown, &mut waits).await;
        let (kind, wait) = match &stop {
            Stop::Shutdown => break,
            Stop::SetAside => continue,
            Stop::Take(TakeError::StandsBy) => {
                stand_by(&shutdown).await;
                continue;
            }
            Stop::Take(TakeError::StoodDown) => ("stood_down", STOOD_DOWN_WAIT),
            Stop::Take(TakeError::Transient(_)) => ("transient", waits.take.next()),
            Stop::Log(error) if error.is_unavailable() => ("log_unavailable", waits.log.next()),
            Stop::Take(TakeError::Halt(_)) | Stop::Log(_) => {
                halts.increment(1);
                return Err(stop.into_error(name));
            }
        };
        metrics::counter!("follower_pauses_total", "follower" => name.clone(), "kind" => kind)
            .increment(1);
        tracing::warn!(follower = name, kind, error = stop.reason(), "a follower pauses");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shutdown.cancelled() => {}
        }
    }
    Ok(())
}

/// Nothing is wrong, so nothing is said of it.
async fn stand_by(shutdown: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(STOOD_DOWN_WAIT) => {}
        () = shutdown.cancelled() => {}
    }
}

/// How long to pause after failures of either kind.
struct Waits {
    take: Backoff,
    log: Backoff,
}

/// Why one run of a follower ended.
enum Stop {
    Shutdown,
    /// An event that cannot be read has been passed by; the next run reads on behind it.
    SetAside,
    Take(TakeError),
    Log(LogError),
}

impl Stop {
    fn reason(&self) -> String {
        match self {
            Self::Shutdown | Self::SetAside => String::new(),
            Self::Log(error) => error.to_string(),
            Self::Take(error) => match error.source() {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            },
        }
    }

    fn into_error(self, follower: String) -> FollowError {
        match self {
            Self::Take(TakeError::Halt(source)) => FollowError::Halted { follower, source },
            Self::Log(source) => FollowError::Log { follower, source },
            Self::Shutdown
            | Self::SetAside
            | Self::Take(TakeError::StoodDown | TakeError::StandsBy | TakeError::Transient(_)) => {
                FollowError::Halted { follower, source: "stopped for no reason".into() }
            }
        }
    }
}

/// From the stored position until something goes wrong.
async fn run(
    log: &EventLog,
    follower: &mut impl Follower,
    lag: &Lag,
    name: &str,
    shutdown: &CancellationToken,
    waits: &mut Waits,
) -> Stop {
    let position = tokio::select! {
        position = follower.position() => position,
        () = shutdown.cancelled() => return Stop::Shutdown,
    };
    let mut at = match position {
        Ok(position) => position,
        Err(error) => return Stop::Take(error),
    };
    lag.is_at(at);
    let mut deliveries = read_ahead(log, at);
    let mut quiet = Quiet { seen: None, taken: Instant::now() };
    let mut ready = Vec::new();
    loop {
        let batch = tokio::select! {
            count = deliveries.recv_many(&mut ready, BATCH_EVENTS_MAX) => {
                if count == 0 {
                    return Stop::Log(LogError::Unavailable("the subscription ended".to_owned()));
                }
                Batch::of(ready.drain(..), at)
            }
            () = quiet.due() => Batch::default(),
            () = shutdown.cancelled() => return Stop::Shutdown,
        };
        if batch.error.is_none() {
            waits.log.reset();
        }
        quiet.seen = batch.end.or(quiet.seen);
        let due = !batch.events.is_empty() || quiet.is_due();
        if due && let Some(end) = quiet.seen.take() {
            let span = span_of(name, &batch.events);
            if let Err(error) = follower.take(&batch.events, end).instrument(span).await {
                return Stop::Take(error);
            }
            at = Some(end);
            lag.is_at(at);
            quiet.taken = Instant::now();
            waits.take.reset();
            report(name, &batch.events);
        }
        if batch.caught_up {
            metrics::gauge!("follower_lag_seconds", "follower" => name.to_owned()).set(0.0);
        }
        if let Some(error) = batch.error {
            return set_aside(follower, error).await;
        }
    }
}

/// What to do about the error that a subscription has ended with.
async fn set_aside(follower: &mut impl Follower, error: LogError) -> Stop {
    let Some(unfit) = error.unfit() else { return Stop::Log(error) };
    match follower.set_aside(&unfit).await {
        Ok(true) => Stop::SetAside,
        Ok(false) => Stop::Log(error),
        Err(error) => Stop::Take(error),
    }
}

/// Reads on while the follower is busy; the bound keeps what it has read ahead in check.
fn read_ahead(
    log: &EventLog,
    after: Option<Position>,
) -> mpsc::Receiver<Result<Delivery, LogError>> {
    let (sender, receiver) = mpsc::channel(BATCH_EVENTS_MAX);
    let subscription = log.subscribe(after);
    tokio::spawn(async move {
        let forward = async {
            let mut subscription = std::pin::pin!(subscription);
            while let Some(delivery) = subscription.next().await {
                if sender.send(delivery).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = forward => {}
            () = sender.closed() => {}
        }
    });
    receiver
}

/// Deliveries that were ready together.
#[derive(Default)]
struct Batch {
    events: Vec<Recorded<DomainEvent>>,
    /// Of the last event or checkpoint.
    end: Option<Position>,
    caught_up: bool,
    /// What ended the subscription after them.
    error: Option<LogError>,
}

impl Batch {
    fn of(
        deliveries: impl Iterator<Item = Result<Delivery, LogError>>,
        after: Option<Position>,
    ) -> Self {
        let mut batch = Self::default();
        for delivery in deliveries {
            match delivery {
                Err(error) => batch.error = Some(error),
                Ok(Delivery::CaughtUp) => batch.caught_up = true,
                Ok(Delivery::Checkpoint(position)) => batch.reach(position, after),
                Ok(Delivery::Event(event)) if Some(event.position) > after => {
                    batch.reach(event.position, after);
                    batch.events.push(event);
                }
                Ok(Delivery::Event(_)) => {}
            }
        }
        batch
    }

    fn reach(&mut self, position: Position, after: Option<Position>) {
        if Some(position) > self.end.or(after) {
            self.end = Some(position);
        }
    }
}

/// Checkpoints passed without events, which are worth a write only now and then.
struct Quiet {
    /// The furthest position that is not taken yet.
    seen: Option<Position>,
    taken: Instant,
}

impl Quiet {
    fn is_due(&self) -> bool {
        self.seen.is_some() && self.taken.elapsed() >= QUIET_CHECKPOINT_EVERY
    }

    /// Never, when there is nothing to take.
    async fn due(&self) {
        match self.seen {
            Some(_) => tokio::time::sleep_until(self.taken + QUIET_CHECKPOINT_EVERY).await,
            None => std::future::pending().await,
        }
    }
}

/// Goes on in the trace of the first event that has one; the others are linked, as many as anybody
/// would look at.
fn span_of(name: &str, events: &[Recorded<DomainEvent>]) -> tracing::Span {
    const LINKS_MAX: usize = 16;
    let span = tracing::info_span!(
        "follow",
        otel.name = format!("follow {name}"),
        otel.kind = "consumer",
        follower = name,
        events = events.len(),
    );
    let mut traces = events.iter().filter_map(|event| event.metadata.trace.as_deref());
    if let Some(first) = traces.next() {
        trace_context::go_on(&span, first);
    }
    traces.take(LINKS_MAX).for_each(|trace| trace_context::link(&span, trace));
    span
}

fn report(name: &str, events: &[Recorded<DomainEvent>]) {
    let Some(last) = events.last() else { return };
    let applied = metrics::counter!("follower_events_total", "follower" => name.to_owned());
    applied.increment(u64::try_from(events.len()).unwrap_or(u64::MAX));
    let lag = chrono::Utc::now() - last.metadata.occurred_at;
    let lag = lag.to_std().unwrap_or_default().as_secs_f64();
    metrics::gauge!("follower_lag_seconds", "follower" => name.to_owned()).set(lag);
}
