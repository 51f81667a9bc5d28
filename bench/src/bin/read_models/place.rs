//! The log and Postgres, each a process of its own.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, ensure};
use eventlog::{EventLog, Settings};
use local_services::{Durability, Postgres};
use sqlx::{Executor, PgPool};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use bench::history;

/// The memory of a server, and no checkpoint of Postgres within a measurement.
const POSTGRES_SETTINGS: [&str; 3] =
    ["shared_buffers = '1GB'", "max_wal_size = '8GB'", "checkpoint_timeout = '30min'"];

pub(crate) struct Place {
    pub(crate) log: EventLog,
    pub(crate) pool: PgPool,
    postgres: Postgres,
    _server: Child,
}

impl Place {
    pub(crate) async fn open(
        directory: &Path,
        events: u64,
        ticketing: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let ticketing = match ticketing {
            Some(ticketing) => ticketing.to_owned(),
            None => std::env::current_exe()?.with_file_name("ticketing"),
        };
        ensure!(ticketing.exists(), "build it first: cargo build --release --package ticketing");

        std::fs::create_dir_all(directory)?;
        let postgres = start_postgres(directory).await?;
        let pool = PgPool::connect(&postgres.url()).await?;
        let store = directory.join(format!("log-{events}"));
        let (server, log_url) = serve(&ticketing, &store).await?;
        let settings = Settings { connection_string: log_url.clone(), build: "bench".to_owned() };
        let log = EventLog::new(settings)?;
        let filled = directory.join(format!("log-{events}-is-filled"));
        if !filled.exists() {
            history::write(&log_url, events).await?;
            std::fs::write(&filled, "")?;
        }
        projectors::install(&pool).await?;
        Ok(Self { log, pool, postgres, _server: server })
    }

    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.pool.close().await;
        self.postgres.stop().await;
        Ok(())
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
        pool.execute(sqlx::AssertSqlSafe(format!("alter system set {setting}"))).await?;
    }
    pool.close().await;
    postgres.stop().await;
    std::fs::write(tuned, "")?;
    Ok(Postgres::start(&data, Durability::Durable).await?)
}

async fn serve(ticketing: &Path, store: &Path) -> anyhow::Result<(Child, String)> {
    let mut server = Command::new(ticketing)
        .args(["log", "serve", "--listen", "127.0.0.1:0", "--directory"])
        .arg(store)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(server.stdout.take().context("no output")?).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(rest) = line.strip_prefix("log: ") {
            let url = rest.split(',').next().unwrap_or_default().to_owned();
            return Ok((server, url));
        }
    }
    anyhow::bail!("the log did not start")
}
