use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use domain::id::TicketId;
use domain::{DomainEvent, Position, Recorded, Ticket};
use embedded_log::testing::TestLog;
use eventlog::{EventLog, FollowError, Follower, LogError, TakeError, checkpoint, follow};
use futures::future::join_all;
use local_services::testing::TestDatabase;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{
    PATIENCE, cause, eventually, list, listed, new_order, new_ticket, process, reserve, write_raw,
};

/// Writes each event into a table, in one transaction with the checkpoint.
struct Recorder {
    pool: PgPool,
    at: Option<Position>,
    /// Every so many takes fail after their effect and before the commit.
    failing_every: u32,
    takes: u32,
    empty: Arc<AtomicU32>,
}

impl Recorder {
    fn new(pool: &PgPool) -> Self {
        let empty = Arc::new(AtomicU32::new(0));
        Self { pool: pool.clone(), at: None, failing_every: u32::MAX, takes: 0, empty }
    }
}

fn transient(error: sqlx::Error) -> TakeError {
    TakeError::Transient(error.into())
}

#[async_trait]
impl Follower for Recorder {
    fn name(&self) -> &str {
        "recorder"
    }

    async fn position(&mut self) -> Result<Option<Position>, TakeError> {
        self.at = checkpoint::read(&self.pool, self.name()).await.map_err(transient)?;
        Ok(self.at)
    }

    async fn take(
        &mut self,
        batch: &[Recorded<DomainEvent>],
        end: Position,
    ) -> Result<(), TakeError> {
        self.takes += 1;
        if batch.is_empty() {
            self.empty.fetch_add(1, Ordering::SeqCst);
        }
        let mut transaction = self.pool.begin().await.map_err(transient)?;
        let streams: Vec<_> = batch.iter().map(|event| event.stream.clone()).collect();
        let revision = |event: &Recorded<_>| i64::try_from(event.revision.0).unwrap();
        let revisions: Vec<_> = batch.iter().map(revision).collect();
        sqlx::query(
            "insert into effect (stream, revision)
             select stream, revision from unnest($1::text[], $2::bigint[])
             with ordinality as taken (stream, revision, place) order by place",
        )
        .bind(streams)
        .bind(revisions)
        .execute(&mut *transaction)
        .await
        .map_err(transient)?;
        if self.takes.is_multiple_of(self.failing_every) {
            return Err(TakeError::Transient("failing as told".into()));
        }
        let moved = checkpoint::advance(&mut transaction, "recorder", self.at, end).await;
        if !moved.map_err(transient)? {
            return Err(TakeError::StoodDown);
        }
        transaction.commit().await.map_err(transient)?;
        self.at = Some(end);
        Ok(())
    }
}

struct Setting {
    server: TestLog,
    pool: PgPool,
    _database: TestDatabase,
}

async fn setting() -> Setting {
    let (server, database) = tokio::join!(TestLog::start(), TestDatabase::create());
    let pool = PgPool::connect(database.url()).await.unwrap();
    checkpoint::install(&pool).await.unwrap();
    // No unique key: an event taken twice must show.
    sqlx::query("create table effect (number bigserial, stream text, revision bigint)")
        .execute(&pool)
        .await
        .unwrap();
    Setting { server, pool, _database: database }
}

/// What was taken, in order.
async fn taken(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("select stream from effect order by number").fetch_all(pool).await.unwrap()
}

struct Running {
    end: CancellationToken,
    task: JoinHandle<Result<(), FollowError>>,
}

impl Running {
    async fn stop(self) {
        self.end.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn start(log: EventLog, mut follower: Recorder) -> Running {
    let end = CancellationToken::new();
    let shutdown = end.clone();
    let task = tokio::spawn(async move { follow(&log, &mut follower, shutdown).await });
    Running { end, task }
}

/// Lists a ticket, however often the log is away.
async fn list_in_the_end(log: &EventLog) -> TicketId {
    let (ticket, cause) = (new_ticket(), cause());
    eventually("the ticket is listed", async || {
        log.execute::<Ticket>(&ticket, list(1), &cause).await.ok().map(|_| ticket)
    })
    .await
}

/// Reserves one unit, however busy the machine is.
async fn reserve_in_the_end(log: &EventLog, ticket: &TicketId) {
    let (order, cause) = (new_order(), cause());
    eventually("a unit is reserved", async || {
        log.execute::<Ticket>(ticket, reserve(order), &cause).await.ok()
    })
    .await;
}

async fn taken_in_the_end(pool: &PgPool, streams: &[String]) {
    let all = i64::try_from(streams.len()).unwrap();
    eventually("all is taken", async || {
        let count = sqlx::query_scalar::<_, i64>("select count(*) from effect").fetch_one(pool);
        (count.await.unwrap() >= all).then_some(())
    })
    .await;
    assert_eq!(taken(pool).await, streams);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_taken_once_and_in_order_while_the_log_restarts_and_takes_fail() {
    let Setting { mut server, pool, _database } = setting().await;
    let log = process(&server);
    let mut streams = Vec::new();
    let follower = Recorder { failing_every: 7, ..Recorder::new(&pool) };
    let running = start(process(&server), follower);
    for round in 0..60 {
        if round % 15 == 7 {
            server.restart().await;
        }
        streams.push(format!("ticket-{}", list_in_the_end(&log).await));
    }
    taken_in_the_end(&pool, &streams).await;
    running.stop().await;

    // Started again it goes on where it was.
    streams.push(format!("ticket-{}", list_in_the_end(&log).await));
    let running = start(process(&server), Recorder::new(&pool));
    taken_in_the_end(&pool, &streams).await;
    running.stop().await;
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_of_a_follower_take_every_event_once() {
    let Setting { server, pool, _database } = setting().await;
    let log = process(&server);
    let replicas = [1, 2].map(|_| start(process(&server), Recorder::new(&pool)));
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(format!("ticket-{}", listed(&log, 1).await));
    }
    taken_in_the_end(&pool, &streams).await;
    for replica in replicas {
        replica.stop().await;
    }
    assert_eq!(taken(&pool).await, streams);
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_far_behind_takes_many_events_at_once() {
    const ROUNDS: usize = 15;
    const AT_ONCE: usize = 100;
    let Setting { server, pool, _database } = setting().await;
    let log = process(&server);
    let ticket = listed(&log, 1_500).await;
    for _ in 0..ROUNDS {
        join_all((0..AT_ONCE).map(|_| reserve_in_the_end(&log, &ticket))).await;
    }
    let streams = vec![format!("ticket-{ticket}"); 1 + ROUNDS * AT_ONCE];
    let mut follower = Recorder::new(&pool);
    let end = CancellationToken::new();
    let watch = async {
        taken_in_the_end(&pool, &streams).await;
        end.cancel();
    };
    let log = process(&server);
    let (followed, ()) = tokio::join!(follow(&log, &mut follower, end.clone()), watch);
    followed.unwrap();
    let revisions = sqlx::query_scalar("select revision from effect order by number");
    let revisions: Vec<i64> = revisions.fetch_all(&pool).await.unwrap();
    assert!(revisions.into_iter().eq(0..=1_500), "not in order");
    assert!(follower.takes < 300, "{} takes for {} events", follower.takes, streams.len());
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_with_nothing_to_do_moves_on_over_the_events_of_others() {
    let Setting { server, pool, _database } = setting().await;
    for n in 0..5 {
        write_raw(&server, &format!("another-{n}"), "Whatever", "{}").await;
    }
    let follower = Recorder::new(&pool);
    let empty = follower.empty.clone();
    let running = start(process(&server), follower);
    eventually("the checkpoint moved", async || checkpoint::read(&pool, "recorder").await.unwrap())
        .await;
    running.stop().await;
    assert_eq!(empty.load(Ordering::SeqCst), 1);
    assert_eq!(taken(&pool).await, Vec::<String>::new());
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_stops_the_follower_with_the_place_named() {
    let Setting { server, pool, _database } = setting().await;
    let log = process(&server);
    let before = format!("ticket-{}", listed(&log, 1).await);
    let poisoned = format!("ticket-{}", new_ticket());
    write_raw(&server, &poisoned, "TicketListed.v9", "{}").await;
    listed(&log, 1).await;

    let running = start(process(&server), Recorder::new(&pool));
    let stopped = tokio::time::timeout(PATIENCE, running.task).await.unwrap().unwrap();
    let Err(FollowError::Log { follower, source }) = stopped else { panic!("{stopped:?}") };
    assert_eq!(follower, "recorder");
    let LogError::Undecodable { stream, revision, event_type, .. } = source else {
        panic!("{source:?}")
    };
    assert_eq!((stream, revision.0, &*event_type), (poisoned, 0, "TicketListed.v9"));
    assert_eq!(taken(&pool).await, [before], "what lies before it was taken, nothing after");
    pool.close().await;
}

/// Takes nothing and says so.
struct Halting;

#[async_trait]
impl Follower for Halting {
    fn name(&self) -> &str {
        "halting"
    }

    async fn position(&mut self) -> Result<Option<Position>, TakeError> {
        Ok(None)
    }

    async fn take(&mut self, _: &[Recorded<DomainEvent>], _: Position) -> Result<(), TakeError> {
        Err(TakeError::Halt("no further".into()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_halts_is_not_asked_again() {
    let server = TestLog::start().await;
    let log = process(&server);
    listed(&log, 1).await;
    let following = follow(&log, &mut Halting, CancellationToken::new()).await;
    assert!(matches!(following, Err(FollowError::Halted { .. })), "{following:?}");
}
