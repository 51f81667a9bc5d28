//! The log and Postgres, each a process of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use bench::process::Process;
use bench::{history, processor};
use eventlog::{EventLog, Settings};
use local_services::{Durability, Postgres};
use sqlx::{AssertSqlSafe, Executor, PgPool};

/// The memory of a server, and no checkpoint of Postgres within a measurement.
const POSTGRES_SETTINGS: [&str; 3] =
    ["shared_buffers = '1GB'", "max_wal_size = '8GB'", "checkpoint_timeout = '30min'"];

/// A Postgres that lasts through all measurements.
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) ticketing: PathBuf,
    pub(crate) postgres: Postgres,
}

/// A log of one length, and a database for what follows from it.
pub(crate) struct Shop {
    pub(crate) log: EventLog,
    pub(crate) log_url: String,
    pub(crate) pool: PgPool,
    pub(crate) database_url: String,
    server: Process,
}

/// Processor time so far.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    pub(crate) own: Duration,
    pub(crate) log: Duration,
    pub(crate) postgres: Duration,
}

impl Place {
    pub(crate) async fn open(directory: &Path, ticketing: Option<&Path>) -> anyhow::Result<Self> {
        let ticketing = match ticketing {
            Some(ticketing) => ticketing.to_owned(),
            None => std::env::current_exe()?.with_file_name("ticketing"),
        };
        ensure!(ticketing.exists(), "build it first: cargo build --release --package ticketing");
        std::fs::create_dir_all(directory)?;
        let postgres = start_postgres(directory).await?;
        Ok(Self { directory: directory.to_owned(), ticketing, postgres })
    }

    pub(crate) async fn close(self) {
        self.postgres.stop().await;
    }

    /// Fills the log, unless an earlier run has.
    pub(crate) async fn shop(&self, events: u64) -> anyhow::Result<Shop> {
        let name = format!("log-{events}");
        let store = self.directory.join(&name);
        let store = store.to_string_lossy();
        let serve = ["log", "serve", "--listen", "127.0.0.1:0", "--directory", &store];
        let words = self.directory.join("log.log");
        let mut server = Process::start(&self.ticketing, &serve, &[], &words)?;
        let said = server.says("log: ").await?;
        let log_url = said.split(',').next().unwrap_or_default().to_owned();
        let filled = self.directory.join(format!("{name}-is-filled"));
        if !filled.exists() {
            eprintln!("bench: filling a log with {events} events");
            history::write(&log_url, events).await?;
            std::fs::write(&filled, "")?;
        }
        let settings = Settings { connection_string: log_url.clone(), build: "bench".to_owned() };
        let log = EventLog::new(settings)?;
        let database = format!("shop_{events}");
        self.create(&database).await?;
        let database_url = self.postgres.url_of(&database);
        let pool = PgPool::connect(&database_url).await?;
        projectors::install(&pool).await?;
        Ok(Shop { log, log_url, pool, database_url, server })
    }

    /// An empty database.
    pub(crate) async fn create(&self, name: &str) -> anyhow::Result<()> {
        let pool = PgPool::connect(&self.postgres.url()).await?;
        for statement in
            [format!("drop database if exists {name}"), format!("create database {name}")]
        {
            pool.execute(AssertSqlSafe(statement)).await?;
        }
        pool.close().await;
        Ok(())
    }
}

impl Shop {
    pub(crate) fn used(&self, place: &Place) -> anyhow::Result<Used> {
        Ok(Used {
            own: processor::own_cpu()?,
            log: self.server.cpu()?,
            postgres: processor::cpu_with_children(place.postgres.pid().unsigned_abs())?,
        })
    }

    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.pool.close().await;
        self.server.stop().await
    }
}

async fn start_postgres(directory: &Path) -> anyhow::Result<Postgres> {
    let data = directory.join("postgres");
    let postgres = Postgres::start(&data, Durability::Durable).await?;
    let tuned = directory.join("postgres-is-tuned");
    if tuned.exists() {
        return Ok(postgres);
    }
    let pool = PgPool::connect(&postgres.url()).await?;
    for setting in POSTGRES_SETTINGS {
        pool.execute(AssertSqlSafe(format!("alter system set {setting}"))).await?;
    }
    pool.close().await;
    postgres.stop().await;
    std::fs::write(tuned, "")?;
    Ok(Postgres::start(&data, Durability::Durable).await?)
}
