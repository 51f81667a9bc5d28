//! The worker on a real Postgres, with a process manager of the tests' own.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::{DomainEvent, Recorded, Timestamp};
use local_services::testing::{TestDatabase, TestPostgres};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;
use crate::process_manager::Change;

const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Deed {
    Simple,
    FailTwice,
    Wait,
    Hopeless,
    Panic,
}

/// Counts what it does.
struct Counting {
    done: Mutex<Vec<Uuid>>,
    attempts: AtomicUsize,
    at_once: AtomicUsize,
    at_once_max: AtomicUsize,
    gate: Semaphore,
}

impl ProcessManager for Counting {
    const NAME: &'static str = "counting";
    type Task = (Uuid, Deed);

    fn react(&self, _: &Recorded<DomainEvent>) -> Vec<Change<Self::Task>> {
        Vec::new()
    }

    async fn perform(&self, (id, deed): (Uuid, Deed), _: Clock) -> Result<(), TaskError> {
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_once_max.fetch_max(now, Ordering::SeqCst);
        let attempt = self.attempts.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::task::yield_now().await;
        let result = match deed {
            Deed::Simple => Ok(()),
            Deed::FailTwice if attempt <= 2 => Err(TaskError::transient("not yet")),
            Deed::FailTwice => Ok(()),
            Deed::Wait => {
                self.gate.acquire().await.unwrap().forget();
                Ok(())
            }
            Deed::Hopeless => Err(TaskError::permanent("never")),
            Deed::Panic => panic!("on purpose"),
        };
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if result.is_ok() {
            self.done.lock().unwrap().push(id);
        }
        result
    }
}

impl Counting {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            done: Mutex::default(),
            attempts: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            at_once_max: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        })
    }

    fn done(&self) -> Vec<Uuid> {
        let mut done = self.done.lock().unwrap().clone();
        done.sort_unstable();
        done
    }
}

fn tuning() -> Tuning {
    Tuning {
        poll: Duration::from_millis(20),
        lease: Duration::from_millis(400),
        retry_first: Duration::from_millis(10),
        refusals_max: 3,
        concurrency: 4,
        drain: Duration::from_secs(5),
        ..Tuning::default()
    }
}

/// A worker at work; dropping it kills it.
struct Working {
    stop: CancellationToken,
    added: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Working {
    fn start(pool: &PgPool, process: &Arc<Counting>, tuning: Tuning) -> Self {
        let list = DueList::new(pool.clone(), Counting::NAME);
        let (stop, added) = (CancellationToken::new(), Arc::new(Notify::new()));
        let worker = Worker::new(Arc::clone(process), list, Arc::clone(&added), tuning);
        let until = stop.clone();
        let task = tokio::spawn(async move { worker.run(&until).await });
        Self { stop, added, task }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn add(pool: &PgPool, tasks: &[(Uuid, Deed)]) {
    let due: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    let changes: Vec<_> =
        tasks.iter().map(|task| Change::Add { key: task.0, due, task: task.clone() }).collect();
    let mut transaction = pool.begin().await.unwrap();
    DueList::new(pool.clone(), Counting::NAME).fold(&mut transaction, &changes).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn left(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM process_managers.task").fetch_one(pool).await.unwrap()
}

async fn list() -> (TestDatabase, PgPool) {
    let database = TestDatabase::create().await;
    let pool = PgPool::connect(database.url()).await.unwrap();
    crate::due_list::install(&pool).await.unwrap();
    (database, pool)
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn ids(count: u128) -> Vec<Uuid> {
    (1..=count).map(Uuid::from_u128).collect()
}

#[tokio::test]
async fn two_workers_do_each_task_once_and_few_at_a_time() {
    let (_database, pool) = list().await;
    let process = Counting::new();
    let tasks: Vec<_> = ids(200).into_iter().map(|id| (id, Deed::Simple)).collect();
    add(&pool, &tasks).await;
    let one = Working::start(&pool, &process, tuning());
    let two = Working::start(&pool, &process, tuning());
    eventually("all done", async || left(&pool).await == 0).await;
    assert_eq!(process.done(), ids(200));
    assert_eq!(process.attempts.load(Ordering::SeqCst), 200);
    assert!(process.at_once_max.load(Ordering::SeqCst) <= 8);
    drop((one, two));
}

#[tokio::test]
async fn a_slow_task_stays_with_its_worker_past_the_lease() {
    let (_database, pool) = list().await;
    let process = Counting::new();
    add(&pool, &[(Uuid::from_u128(1), Deed::Wait)]).await;
    // Long enough that a busy machine does not miss every renewal.
    let lease = Duration::from_secs(2);
    let one = Working::start(&pool, &process, Tuning { lease, ..tuning() });
    let two = Working::start(&pool, &process, Tuning { lease, ..tuning() });
    eventually("begun", async || process.attempts.load(Ordering::SeqCst) == 1).await;
    // Other tasks go on meanwhile; each takes a look at what is due.
    let began = Instant::now();
    let mut next = 2;
    while began.elapsed() < lease * 2 {
        add(&pool, &[(Uuid::from_u128(next), Deed::Simple)]).await;
        eventually("the other is done", async || left(&pool).await == 1).await;
        next += 1;
    }
    assert!(!process.done().contains(&Uuid::from_u128(1)));
    process.gate.add_permits(1);
    eventually("done", async || left(&pool).await == 0).await;
    let done = process.done();
    assert_eq!(done.len(), process.attempts.load(Ordering::SeqCst), "nothing was begun twice");
    drop((one, two));
}

#[tokio::test]
async fn what_a_killed_worker_had_at_hand_is_taken_over() {
    let (_database, pool) = list().await;
    let process = Counting::new();
    add(&pool, &[(Uuid::from_u128(1), Deed::Wait)]).await;
    let killed = Working::start(&pool, &process, tuning());
    eventually("begun", async || process.attempts.load(Ordering::SeqCst) == 1).await;
    drop(killed);
    let _heir = Working::start(&pool, &process, tuning());
    eventually("begun anew", async || process.attempts.load(Ordering::SeqCst) == 2).await;
    process.gate.add_permits(1);
    eventually("done", async || left(&pool).await == 0).await;
    assert_eq!(process.done(), ids(1));
}

#[tokio::test]
async fn a_worker_that_is_stopped_finishes_what_it_has_at_hand() {
    let (_database, pool) = list().await;
    let process = Counting::new();
    add(&pool, &[(Uuid::from_u128(1), Deed::Wait)]).await;
    let mut working = Working::start(&pool, &process, tuning());
    eventually("begun", async || process.attempts.load(Ordering::SeqCst) == 1).await;
    working.stop.cancel();
    process.gate.add_permits(1);
    (&mut working.task).await.unwrap();
    assert_eq!(left(&pool).await, 0);
}

#[tokio::test]
async fn a_failing_task_is_tried_again_and_a_hopeless_or_panicking_one_parked() {
    let (_database, pool) = list().await;
    for (deed, attempts, parked) in
        [(Deed::FailTwice, 3, false), (Deed::Hopeless, 3, true), (Deed::Panic, 3, true)]
    {
        let process = Counting::new();
        // On a busy machine a short lease runs out, and then a task is performed once more.
        let patient = Tuning { lease: DEADLINE, ..tuning() };
        let _working = Working::start(&pool, &process, patient);
        add(&pool, &[(Uuid::from_u128(1), deed.clone())]).await;
        eventually("over", async || {
            let open = "SELECT count(*) FROM process_managers.task WHERE parked_at IS NULL";
            sqlx::query_scalar::<_, i64>(open).fetch_one(&pool).await.unwrap() == 0
        })
        .await;
        assert_eq!(process.attempts.load(Ordering::SeqCst), attempts, "{deed:?}");
        assert_eq!(left(&pool).await, i64::from(parked), "{deed:?}");
    }
}

#[tokio::test]
async fn a_rung_worker_does_not_wait_for_its_next_look() {
    let (_database, pool) = list().await;
    let process = Counting::new();
    let slow = Tuning { poll: Duration::from_secs(3_600), ..tuning() };
    let working = Working::start(&pool, &process, slow);
    add(&pool, &[(Uuid::from_u128(1), Deed::Simple)]).await;
    working.added.notify_one();
    eventually("done", async || left(&pool).await == 0).await;
}

#[tokio::test]
async fn a_worker_outlives_its_postgres() {
    let mut postgres = TestPostgres::start().await;
    let pool = PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(500))
        .connect(postgres.url())
        .await
        .unwrap();
    crate::due_list::install(&pool).await.unwrap();
    add(&pool, &[(Uuid::from_u128(1), Deed::Wait)]).await;
    let process = Counting::new();
    let working = Working::start(&pool, &process, tuning());
    eventually("begun", async || process.attempts.load(Ordering::SeqCst) == 1).await;
    postgres.stop().await;
    process.gate.add_permits(2);
    eventually("done", async || process.done().len() == 1).await;
    postgres.start_again().await;
    // Nobody could note that it was done, so it is done again.
    eventually("noted", async || left(&pool).await == 0).await;
    assert!(!working.task.is_finished());
}
