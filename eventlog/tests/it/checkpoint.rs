use domain::Position;
use eventlog::checkpoint;
use futures::future::join_all;
use local_services::testing::TestDatabase;
use sqlx::PgPool;

const fn at(commit: u64) -> Position {
    Position { commit, prepare: commit }
}

async fn advance(pool: &PgPool, name: &str, old: Option<Position>, new: Position) -> bool {
    let mut transaction = pool.begin().await.unwrap();
    let moved = checkpoint::advance(&mut transaction, name, old, new).await.unwrap();
    transaction.commit().await.unwrap();
    moved
}

#[tokio::test(flavor = "multi_thread")]
async fn many_processes_may_install_at_once_and_again() {
    let database = TestDatabase::create().await;
    let pool = PgPool::connect(database.url()).await.unwrap();
    let installs = join_all((0..8).map(|_| checkpoint::install(&pool))).await;
    assert!(installs.iter().all(Result::is_ok), "{installs:?}");
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_moves_only_from_where_it_is() {
    let database = TestDatabase::create().await;
    let pool = PgPool::connect(database.url()).await.unwrap();
    checkpoint::install(&pool).await.unwrap();
    assert_eq!(checkpoint::read(&pool, "a").await.unwrap(), None);
    assert!(!advance(&pool, "a", Some(at(1)), at(2)).await);
    assert!(advance(&pool, "a", None, at(2)).await);
    assert!(!advance(&pool, "a", None, at(3)).await);
    assert!(!advance(&pool, "a", Some(at(1)), at(3)).await);
    assert!(advance(&pool, "a", Some(at(2)), at(3)).await);
    assert_eq!(checkpoint::read(&pool, "a").await.unwrap(), Some(at(3)));
    assert_eq!(checkpoint::read(&pool, "b").await.unwrap(), None);
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_move_it_at_once_one_does() {
    let database = TestDatabase::create().await;
    let pool = PgPool::connect(database.url()).await.unwrap();
    checkpoint::install(&pool).await.unwrap();
    for old in [None, Some(at(10))] {
        let new = at(old.map_or(10, |position| position.commit + 10));
        let moved = join_all((0..8).map(|_| advance(&pool, "a", old, new))).await;
        assert_eq!(moved.into_iter().filter(|moved| *moved).count(), 1);
    }
    pool.close().await;
}
