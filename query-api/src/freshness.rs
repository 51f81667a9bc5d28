//! How far the read models have come, so that a session reads its own writes.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponseParts, ResponseParts};
use domain::Position;
use eventlog::LogReader;
use sqlx::postgres::{PgListener, PgNotification, PgRow};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use web::ApiError;

use crate::database::{Database, column};

/// The longest that a read waits for the read models to reach the session's last write.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// The longest that is waited to know where the log ends.
const LOG_END_TIMEOUT: Duration = Duration::from_millis(300);
/// How often the checkpoints are read although nothing was announced.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// How often the end of the log is looked up, to know how far behind it the read models are.
const LOOK_AT_LOG_EVERY: Duration = Duration::from_secs(1);
/// How long after losing Postgres it is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// When somebody may ask again for what is not there yet.
const COME_AGAIN_SECONDS: u32 = 1;
/// The channel on which the projectors announce their commits, as `<name> <position>` and perhaps
/// what has changed.
const CHANNEL: &str = "projection";

const POSITION_HEADER: HeaderName = HeaderName::from_static("ticketing-position");
const STALE_HEADER: HeaderName = HeaderName::from_static("ticketing-stale");

/// What a read is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReadModel {
    Tickets,
    Orders,
    Accounts,
    Sales,
    Disputes,
    Timeline,
}

impl ReadModel {
    /// As its projector is called.
    fn name(self) -> &'static str {
        match self {
            Self::Tickets => "projector/tickets",
            Self::Orders => "projector/orders",
            Self::Accounts => "projector/accounts",
            Self::Sales => "projector/sales_by_day",
            Self::Disputes => "projector/disputes",
            Self::Timeline => "projector/timeline",
        }
    }
}

/// A watch on the read models' checkpoints. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Freshness {
    reached: watch::Receiver<Reached>,
    behind: watch::Receiver<Option<End>>,
    log: LogReader,
}

/// Where the log was seen to end.
#[derive(Clone, Copy, Debug)]
struct End {
    position: Position,
    /// When it was first seen to be there, while the read models were not.
    seen: Instant,
}

/// By projector: how far it has come.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    positions: HashMap<String, Position>,
    /// Postgres cannot be asked, so waiting is of no use.
    away: bool,
}

/// How far the read models had come when they were read; becomes the answer's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Everything up to here is in what was read; none when nothing is known to be.
    position: Option<Position>,
    /// The session's last write may not be in it.
    stale: bool,
    /// How long the read models are known to be behind the log; none when the log cannot be asked.
    lag: Option<Duration>,
}

impl Freshness {
    pub(crate) fn watch(database: Database, log: LogReader, shutdown: CancellationToken) -> Self {
        let (sender, reached) = watch::channel(Reached::default());
        let (ends, behind) = watch::channel(None);
        let (looking, seen, end) = (log.clone(), reached.clone(), shutdown.clone());
        tokio::spawn(async move {
            end.run_until_cancelled(look_at_the_end(&looking, &seen, &ends)).await;
        });
        tokio::spawn(async move {
            shutdown.run_until_cancelled(follow(&database, &sender)).await;
        });
        Self { reached, behind, log }
    }

    /// How far tickets and orders have come, whatever is wanted.
    pub(crate) fn now(&self) -> Seen {
        self.seen(&[ReadModel::Tickets, ReadModel::Orders], None)
    }

    /// What all of the models contain by now.
    pub(crate) fn position(&self, models: &[ReadModel]) -> Option<Position> {
        self.reached.borrow().least(models)
    }

    /// Until the read models may have changed. Never, once the watch has ended.
    pub(crate) fn changes(&self) -> watch::Receiver<Reached> {
        self.reached.clone()
    }

    /// Waits until all of `models` have come as far as `wanted`, for at most two seconds.
    pub(crate) async fn wait(&self, models: &[ReadModel], wanted: Option<Position>) -> Seen {
        if self.reached.borrow().has(models, wanted) {
            return self.seen(models, wanted);
        }
        let wanted = self.within_the_log(wanted).await;
        let mut reached = self.reached.clone();
        let enough = |reached: &Reached| reached.has(models, wanted);
        // Whatever ends the wait, what is known then tells. What it gives holds a lock: kept any longer,
        // the next look would wait for a writer that waits for it.
        drop(timeout(WAIT_MAX, reached.wait_for(enough)).await);
        self.seen(models, wanted)
    }

    /// A position past the log's end is of another log, such as one that was deleted to start anew:
    /// nothing more than all that there is can be waited for.
    pub(crate) async fn within_the_log(&self, wanted: Option<Position>) -> Option<Position> {
        match timeout(LOG_END_TIMEOUT, self.log.head()).await {
            Ok(Ok(Some(end))) => wanted.min(Some(end)),
            Ok(Ok(None) | Err(_)) | Err(_) => wanted,
        }
    }

    fn seen(&self, models: &[ReadModel], wanted: Option<Position>) -> Seen {
        let position = self.reached.borrow().least(models);
        let lag = self.behind.borrow().map(|end| match position >= Some(end.position) {
            true => Duration::ZERO,
            false => end.seen.elapsed(),
        });
        Seen { position, stale: position < wanted, lag }
    }
}

impl Seen {
    /// What was read in several steps is known to contain no more than the least of them.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            position: self.position.min(other.position),
            stale: self.stale || other.stale,
            lag: self.lag.max(other.lag),
        }
    }

    pub(crate) fn position(&self) -> Option<Position> {
        self.position
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.stale
    }

    pub(crate) fn lag(&self) -> Option<Duration> {
        self.lag
    }

    /// Why what was asked for is not in it: there is no such thing, or it may be the session's last
    /// write.
    pub(crate) fn absent(&self, message: &str) -> ApiError {
        if self.stale {
            ApiError::unavailable(COME_AGAIN_SECONDS)
        } else {
            ApiError::not_found(message)
        }
    }
}

impl Reached {
    /// What all of the models contain.
    fn least(&self, models: &[ReadModel]) -> Option<Position> {
        models.iter().map(|model| self.positions.get(model.name()).copied()).min().flatten()
    }

    /// Whether there is nothing to wait for.
    fn has(&self, models: &[ReadModel], wanted: Option<Position>) -> bool {
        self.away || self.least(models) >= wanted
    }

    fn note(&mut self, name: String, position: Position) -> bool {
        let known = self.positions.entry(name).or_default();
        let news = *known < position;
        *known = position.max(*known);
        news
    }
}

/// Looks for ever where the log ends. An end that the read models have not reached is kept until they
/// have, so that the time since it was seen is how long they are behind.
async fn look_at_the_end(
    log: &LogReader,
    reached: &watch::Receiver<Reached>,
    ends: &watch::Sender<Option<End>>,
) {
    let mut ticks = interval(LOOK_AT_LOG_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Ok(head) = log.head().await else {
            ends.send_replace(None);
            continue;
        };
        let position = head.unwrap_or_default();
        let read = reached.borrow().least(&[ReadModel::Tickets, ReadModel::Orders]);
        ends.send_if_modified(|end| {
            let behind = end.is_some_and(|end| read < Some(end.position));
            if !behind {
                *end = Some(End { position, seen: Instant::now() });
            }
            !behind
        });
    }
}

/// Keeps the watch up to date for ever.
async fn follow(database: &Database, sender: &watch::Sender<Reached>) {
    loop {
        let Err(error) = listen(database, sender).await;
        let was_away = sender.borrow().away;
        sender.send_modify(|reached| reached.away = true);
        if !was_away {
            tracing::warn!("the projections cannot be watched: {error}");
        }
        sleep(RETRY_AFTER).await;
    }
}

/// Until the connection is lost.
async fn listen(
    database: &Database,
    sender: &watch::Sender<Reached>,
) -> Result<Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(database.pool()).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    // Read after listening, so that no commit falls between. It replaces what was known: the
    // database may be another one, restored from a backup.
    let positions = checkpoints(database).await?;
    sender.send_replace(Reached { positions, away: false });
    loop {
        match timeout(POLL_EVERY, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => take(&notification, sender),
            Ok(Ok(None)) => return Err(sqlx::Error::WorkerCrashed),
            Ok(Err(error)) => return Err(error),
            Err(_quiet) => {
                let positions = checkpoints(database).await?;
                sender.send_if_modified(|reached| reached.note_all(positions));
            }
        }
    }
}

impl Reached {
    fn note_all(&mut self, positions: HashMap<String, Position>) -> bool {
        positions
            .into_iter()
            .fold(false, |news, (name, position)| self.note(name, position) || news)
    }
}

fn take(notification: &PgNotification, sender: &watch::Sender<Reached>) {
    let mut words = notification.payload().split(' ');
    let parts = words.next().zip(words.next());
    let parts = parts.and_then(|(name, position)| Some((name, position.parse().ok()?)));
    match parts {
        Some((name, position)) => {
            sender.send_if_modified(|reached| reached.note(name.to_owned(), position));
        }
        // Somebody else's; the next poll makes up for it if it was not.
        None => tracing::debug!("an announcement that cannot be read"),
    }
}

async fn checkpoints(database: &Database) -> sqlx::Result<HashMap<String, Position>> {
    let rows: Vec<PgRow> =
        sqlx::query("SELECT name, commit_position, prepare_position FROM read.checkpoint")
            .fetch_all(database.pool())
            .await?;
    let entry = |row: &PgRow| {
        let commit = column::<i64, u64>(row, "commit_position")?;
        let prepare = column::<i64, u64>(row, "prepare_position")?;
        Ok((column::<String, String>(row, "name")?, Position { commit, prepare }))
    };
    rows.iter().map(entry).collect()
}

impl IntoResponseParts for Seen {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        let position = self.position.map(|position| HeaderValue::try_from(position.to_string()));
        if let Some(Ok(position)) = position {
            parts.headers_mut().insert(POSITION_HEADER, position);
        }
        if self.stale {
            parts.headers_mut().insert(STALE_HEADER, HeaderValue::from_static("true"));
        }
        Ok(parts)
    }
}
