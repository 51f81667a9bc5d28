use std::fs;

use local_services::testing::TestFolder;
use local_services::{Durability, Postgres, ServiceError};
use sqlx::{Connection, Executor, PgConnection, Row};

pub(crate) async fn execute(url: &str, sql: &'static str) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute(sql).await.map(|_| ())
}

pub(crate) async fn number(url: &str, sql: &'static str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.fetch_one(sql).await.unwrap().get(0)
}

#[tokio::test]
async fn a_durable_database_asks_for_its_password_and_keeps_data_and_address_over_a_restart() {
    let folder = TestFolder::new();
    let postgres = Postgres::start(folder.path(), Durability::Durable).await.unwrap();
    let url = postgres.url();
    execute(&url, "CREATE TABLE kept AS SELECT 42::bigint AS n").await.unwrap();

    let without_password = format!("postgres://ticketing@127.0.0.1:{}/postgres", postgres.port());
    let refused = PgConnection::connect(&without_password).await.unwrap_err();
    assert!(refused.to_string().contains("password"), "{refused}");

    postgres.stop().await;
    assert!(PgConnection::connect(&url).await.is_err());

    let postgres = Postgres::start(folder.path(), Durability::Durable).await.unwrap();
    assert_eq!(postgres.url(), url);
    assert_eq!(number(&url, "SELECT n FROM kept").await, 42);
}

#[tokio::test]
async fn a_port_that_somebody_took_is_given_up_for_another() {
    let folder = TestFolder::new();
    let postgres = Postgres::start(folder.path(), Durability::Throwaway).await.unwrap();
    let port = postgres.port();
    postgres.stop().await;
    let _somebody = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();

    let postgres = Postgres::start(folder.path(), Durability::Throwaway).await.unwrap();
    assert_ne!(postgres.port(), port);
    execute(&postgres.url(), "SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_directory_in_use_is_refused_with_the_process_that_uses_it() {
    let folder = TestFolder::new();
    let _first = Postgres::start(folder.path(), Durability::Throwaway).await.unwrap();

    let refused = Postgres::start(folder.path(), Durability::Throwaway).await.unwrap_err();
    assert!(matches!(refused, ServiceError::InUse { .. }), "{refused}");
    let line = refused.to_string();
    assert!(line.contains(&std::process::id().to_string()), "{line}");
    assert!(!line.contains('\n'), "{line}");
}

#[tokio::test]
async fn data_of_another_version_is_refused_and_left_alone() {
    let folder = TestFolder::new();
    let postgres = Postgres::start(folder.path(), Durability::Throwaway).await.unwrap();
    let version = postgres.data().join("PG_VERSION");
    postgres.stop().await;
    fs::write(&version, "9\n").unwrap();

    let refused = Postgres::start(folder.path(), Durability::Throwaway).await.unwrap_err();
    assert!(matches!(refused, ServiceError::OtherVersion { .. }), "{refused}");
    assert!(refused.to_string().contains("made by Postgres 9"), "{refused}");
    assert_eq!(fs::read_to_string(&version).unwrap(), "9\n");
}

#[tokio::test]
async fn a_server_that_does_not_start_is_quoted() {
    let folder = TestFolder::new();
    let postgres = Postgres::start(folder.path(), Durability::Throwaway).await.unwrap();
    let settings = postgres.data().join("postgresql.conf");
    postgres.stop().await;
    fs::write(settings, "no_such_setting = 1\n").unwrap();

    let refused = Postgres::start(folder.path(), Durability::Throwaway).await.unwrap_err();
    assert!(matches!(refused, ServiceError::NotStarted { .. }), "{refused}");
    let line = refused.to_string();
    assert!(line.contains("no_such_setting") && !line.contains('\n'), "{line}");
}

#[tokio::test]
async fn what_a_killed_first_start_left_is_cleared_away() {
    let folder = TestFolder::new();
    let unfinished = folder.path().join("cluster/unfinished-1");
    fs::create_dir_all(&unfinished).unwrap();
    fs::write(unfinished.join("PG_VERSION"), "15").unwrap();

    let postgres = Postgres::start(folder.path(), Durability::Throwaway).await.unwrap();
    execute(&postgres.url(), "SELECT 1").await.unwrap();
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn the_number_of_a_gone_server_that_a_stranger_has_now_is_no_hindrance() {
    let folder = TestFolder::new();
    let postgres = Postgres::start(folder.path(), Durability::Throwaway).await.unwrap();
    let pid_file = postgres.data().join("postmaster.pid");
    postgres.stop().await;
    fs::write(pid_file, format!("{}\n", std::process::id())).unwrap();

    let postgres = Postgres::start(folder.path(), Durability::Throwaway).await.unwrap();
    execute(&postgres.url(), "SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_server_that_was_killed_at_work_is_noticed_and_starts_again() {
    let folder = TestFolder::new();
    let postgres = Postgres::start(folder.path(), Durability::Durable).await.unwrap();
    execute(&postgres.url(), "CREATE TABLE kept AS SELECT 42::bigint AS n").await.unwrap();
    let url = postgres.url();
    let at_work = tokio::spawn(async move {
        execute(&url, "SELECT count(*) FROM generate_series(1, 20000000)").await
    });
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series(1,%' AND pid <> pg_backend_pid()";
    while number(&postgres.url(), busy).await == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }

    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(postgres.pid()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    assert!(postgres.ended().await.contains("signal: 9"));
    drop(postgres);

    let postgres = Postgres::start(folder.path(), Durability::Durable).await.unwrap();
    assert_eq!(number(&postgres.url(), "SELECT n FROM kept").await, 42);
    // A child of the killed server may have come to its end before the new one began.
    let _answered_or_cut_off = at_work.await.unwrap();
}

#[tokio::test]
async fn a_folder_that_its_user_cannot_enter_has_its_data_elsewhere() {
    use std::os::unix::fs::PermissionsExt;
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let folder = TestFolder::new();
    let private = folder.path().join("private");
    fs::create_dir(&private).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    let directory = private.join("postgres");

    let postgres = Postgres::start(&directory, Durability::Throwaway).await.unwrap();
    let data = postgres.data().to_owned();
    assert!(!data.starts_with(folder.path()), "{}", data.display());
    execute(&postgres.url(), "CREATE TABLE kept ()").await.unwrap();
    postgres.stop().await;

    let postgres = Postgres::start(&directory, Durability::Throwaway).await.unwrap();
    assert_eq!(postgres.data(), data);
    execute(&postgres.url(), "SELECT * FROM kept").await.unwrap();
    postgres.stop().await;
    fs::remove_dir_all(data.parent().unwrap()).unwrap();
}
