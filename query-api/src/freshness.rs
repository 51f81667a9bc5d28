//! How far the read models have come, so that a session reads its own writes.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponseParts, ResponseParts};
use domain::Position;
use sqlx::postgres::{PgListener, PgNotification, PgRow};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::database::{Database, column};

/// The longest that a read waits for the read models to reach the session's last write.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// The longest that is waited to know where the log ends.
const LOG_END_TIMEOUT: Duration = Duration::from_millis(300);
/// How often the checkpoints are read although nothing was announced.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// How long after losing Postgres it is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(200);
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
}

impl ReadModel {
    pub(crate) const ALL: &[Self] = &[Self::Tickets, Self::Orders];

    /// As its projector is called.
    fn name(self) -> &'static str {
        match self {
            Self::Tickets => "projector/tickets",
            Self::Orders => "projector/orders",
        }
    }
}

/// Tells where the log ends.
#[async_trait]
pub trait LogEnd: Send + Sync {
    /// The position of the last event that read models are made of; none when there is no event,
    /// or the log does not answer.
    async fn log_end(&self) -> Option<Position>;
}

/// A watch on the read models' checkpoints. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Freshness {
    reached: watch::Receiver<Reached>,
    log: Arc<dyn LogEnd>,
}

/// By projector: how far it has come.
#[derive(Debug, Default)]
struct Reached {
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
}

impl Freshness {
    pub(crate) fn watch(
        database: Database,
        log: Arc<dyn LogEnd>,
        shutdown: CancellationToken,
    ) -> Self {
        let (sender, reached) = watch::channel(Reached::default());
        tokio::spawn(async move {
            let ended = shutdown.run_until_cancelled(follow(&database, &sender));
            ended.await;
        });
        Self { reached, log }
    }

    /// Waits until all of `models` have come as far as `wanted`, for at most two seconds.
    pub(crate) async fn wait(&self, models: &[ReadModel], wanted: Option<Position>) -> Seen {
        if self.reached.borrow().has(models, wanted) {
            return self.seen(models, wanted);
        }
        let wanted = self.within_the_log(wanted).await;
        let mut reached = self.reached.clone();
        // Whatever ends the wait, what is known then tells.
        let enough = |reached: &Reached| reached.has(models, wanted);
        let _waited = timeout(WAIT_MAX, reached.wait_for(enough)).await;
        self.seen(models, wanted)
    }

    /// A position past the log's end is of another log, such as one that was deleted to start anew:
    /// nothing more than all that there is can be waited for.
    async fn within_the_log(&self, wanted: Option<Position>) -> Option<Position> {
        match timeout(LOG_END_TIMEOUT, self.log.log_end()).await {
            Ok(Some(end)) => wanted.min(Some(end)),
            Ok(None) | Err(_) => wanted,
        }
    }

    fn seen(&self, models: &[ReadModel], wanted: Option<Position>) -> Seen {
        let position = self.reached.borrow().least(models);
        Seen { position, stale: position < wanted }
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
