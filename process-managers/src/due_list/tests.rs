//! The list on a real Postgres.

use domain::Timestamp;
use local_services::testing::TestDatabase;

use super::*;

const LEASE: Duration = Duration::from_secs(60);
const KEY: Uuid = Uuid::from_u128(1);

struct Fixture {
    list: DueList,
    pool: PgPool,
    _database: TestDatabase,
}

impl Fixture {
    async fn new() -> Self {
        let database = TestDatabase::create().await;
        let pool = PgPool::connect(database.url()).await.unwrap();
        install(&pool).await.unwrap();
        Self { list: DueList::new(pool.clone(), "test"), pool, _database: database }
    }

    async fn fold(&self, changes: &[Change<String>]) {
        let mut transaction = self.pool.begin().await.unwrap();
        self.list.fold(&mut transaction, changes).await.unwrap();
        transaction.commit().await.unwrap();
    }

    async fn claim(&self) -> Option<Claimed> {
        let mut claimed = self.list.claim(1, LEASE).await.unwrap();
        claimed.pop()
    }

    async fn len(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM process_managers.task")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

fn add(key: Uuid, due: Timestamp, task: &str) -> Change<String> {
    Change::Add { key, due, task: task.to_owned() }
}

fn past() -> Timestamp {
    "2020-01-01T00:00:00Z".parse().unwrap()
}

fn future() -> Timestamp {
    "2100-01-01T00:00:00Z".parse().unwrap()
}

fn again() -> Verdict {
    Verdict::Again { wait: Duration::ZERO, refusals: 0, error: Some("away\0".to_owned()) }
}

#[tokio::test]
async fn installing_at_once_and_again_is_fine() {
    let fixture = Fixture::new().await;
    let (one, two, three) =
        tokio::join!(install(&fixture.pool), install(&fixture.pool), install(&fixture.pool));
    one.and(two).and(three).unwrap();
}

#[tokio::test]
async fn only_due_tasks_are_claimed_and_only_once() {
    let fixture = Fixture::new().await;
    fixture.fold(&[add(KEY, past(), "now"), add(Uuid::from_u128(2), future(), "later")]).await;
    let claimed = fixture.claim().await.unwrap();
    assert_eq!((claimed.key, claimed.attempts), (KEY, 1));
    assert_eq!(claimed.task, serde_json::json!("now"));
    assert!(fixture.claim().await.is_none());
    assert!(!fixture.list.conclude(&claimed, &Verdict::Done).await.unwrap());
    assert_eq!(fixture.len().await, 1);
}

#[tokio::test]
async fn the_last_change_of_a_key_counts() {
    let fixture = Fixture::new().await;
    let strike = Change::Strike { key: KEY };
    fixture.fold(&[add(KEY, past(), "one"), strike.clone()]).await;
    assert_eq!(fixture.len().await, 0);
    fixture.fold(&[strike, add(KEY, past(), "one"), add(KEY, past(), "two")]).await;
    assert_eq!(fixture.claim().await.unwrap().task, serde_json::json!("two"));
}

#[tokio::test]
async fn a_task_struck_while_performed_does_not_come_back() {
    let fixture = Fixture::new().await;
    for verdict in [Verdict::Done, again(), Verdict::Park { error: "no".to_owned() }] {
        fixture.fold(&[add(KEY, past(), "task")]).await;
        let claimed = fixture.claim().await.unwrap();
        fixture.fold(&[Change::Strike { key: KEY }]).await;
        assert!(!fixture.list.conclude(&claimed, &verdict).await.unwrap());
        assert_eq!(fixture.len().await, 0, "{verdict:?}");
    }
}

#[tokio::test]
async fn a_task_added_anew_while_performed_stays_and_waits_for_the_earlier_one() {
    let fixture = Fixture::new().await;
    for verdict in [Verdict::Done, again(), Verdict::Park { error: "no".to_owned() }] {
        fixture.fold(&[add(KEY, past(), "old")]).await;
        let claimed = fixture.claim().await.unwrap();
        fixture.fold(&[add(KEY, past(), "new")]).await;
        assert!(fixture.claim().await.is_none(), "one at a time");
        assert!(fixture.list.conclude(&claimed, &verdict).await.unwrap());
        let anew = fixture.claim().await.unwrap();
        assert_eq!((&anew.task, anew.attempts), (&serde_json::json!("new"), 1), "{verdict:?}");
        fixture.list.conclude(&anew, &Verdict::Done).await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_task_comes_back_and_remembers() {
    let fixture = Fixture::new().await;
    fixture.fold(&[add(KEY, past(), "task")]).await;
    let claimed = fixture.claim().await.unwrap();
    fixture.list.conclude(&claimed, &again()).await.unwrap();
    let error: String = sqlx::query_scalar("SELECT last_error FROM process_managers.task")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(error, "away");
    assert_eq!(fixture.claim().await.unwrap().attempts, 2);
}

#[tokio::test]
async fn a_parked_task_is_kept_and_comes_back_only_when_added_anew() {
    let fixture = Fixture::new().await;
    fixture.fold(&[add(KEY, past(), "task")]).await;
    let claimed = fixture.claim().await.unwrap();
    fixture.list.conclude(&claimed, &Verdict::Park { error: "no".to_owned() }).await.unwrap();
    assert!(fixture.claim().await.is_none());
    assert_eq!(fixture.len().await, 1);
    fixture.fold(&[add(KEY, past(), "task")]).await;
    assert!(fixture.claim().await.is_some());
}

#[tokio::test]
async fn the_claim_of_a_dead_worker_runs_out_and_what_it_says_then_does_not_count() {
    let fixture = Fixture::new().await;
    fixture.fold(&[add(KEY, past(), "task")]).await;
    let dead = fixture.list.claim(1, Duration::ZERO).await.unwrap().pop().unwrap();
    let heir = fixture.claim().await.unwrap();
    assert_eq!(heir.attempts, 2);
    assert!(!fixture.list.conclude(&dead, &Verdict::Done).await.unwrap());
    assert_eq!(fixture.len().await, 1);
    assert!(!fixture.list.conclude(&heir, &Verdict::Done).await.unwrap());
    assert_eq!(fixture.len().await, 0);
}

#[tokio::test]
async fn a_renewed_claim_holds() {
    let fixture = Fixture::new().await;
    fixture.fold(&[add(KEY, past(), "task")]).await;
    let claimed = fixture.list.claim(1, Duration::ZERO).await.unwrap().pop().unwrap();
    fixture.list.renew(&[claimed.claim], LEASE).await.unwrap();
    assert!(fixture.claim().await.is_none());
}

#[tokio::test]
async fn lists_do_not_see_each_others_tasks() {
    let fixture = Fixture::new().await;
    fixture.fold(&[add(KEY, past(), "task")]).await;
    let other = DueList::new(fixture.pool.clone(), "other");
    assert!(other.claim(10, LEASE).await.unwrap().is_empty());
}
