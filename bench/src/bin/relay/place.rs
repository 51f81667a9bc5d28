use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use async_nats::jetstream;
use bench::history;
use bench::processor::cpu_with_children;
use eventlog::EventLog;
use local_services::{Durability, Nats, Postgres};
use relay::desk::Desk;
use relay::{Partition, STREAM};
use sqlx::PgPool;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::LOOK_EVERY;

pub(crate) struct Place {
    pub(crate) desk: Desk,
    pub(crate) jetstream: jetstream::Context,
    log_url: String,
    postgres: Postgres,
    nats: Nats,
    log: Child,
}

/// A running relay; it is killed when this is dropped.
pub(crate) struct Relay(Child);

impl Place {
    pub(crate) async fn open(directory: &Path, events: u64) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let postgres = Postgres::start(&directory.join("postgres"), Durability::Durable).await?;
        let nats = Nats::start(&directory.join("nats"), Durability::Durable).await?;
        let (log, log_url) = serve(&directory.join(format!("log-{events}"))).await?;
        let filled = directory.join(format!("log-{events}-is-filled"));
        if !filled.exists() {
            history::write(&log_url, events).await?;
            std::fs::write(&filled, "")?;
        }
        let settings =
            eventlog::Settings { connection_string: log_url.clone(), build: "bench".to_owned() };
        let desk = Desk {
            log: EventLog::new(settings)?,
            pool: PgPool::connect(&postgres.url()).await?,
            nats: relay::Nats::at(nats.relay_url()),
        };
        let jetstream = desk.nats.connect().await?;
        Ok(Self { desk, jetstream, log_url, postgres, nats, log })
    }

    pub(crate) async fn close(self) {
        self.desk.pool.close().await;
        self.nats.stop().await;
        self.postgres.stop().await;
    }

    pub(crate) fn relay(&self) -> anyhow::Result<Relay> {
        let child = Command::new(ticketing()?)
            .args(["relay", "run"])
            .env("KURRENTDB_URL", &self.log_url)
            .env("DATABASE_URL", self.postgres.url())
            .env("NATS_URL", self.nats.relay_url())
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Relay(child))
    }

    /// Has the stream filled from the beginning of the log by the next relay.
    pub(crate) async fn rewind(&self) -> anyhow::Result<()> {
        for partition in Partition::all(STREAM, 1) {
            self.desk.rewind(&partition, None, true).await?;
        }
        Ok(())
    }

    /// How many messages there are, once there are so many.
    pub(crate) async fn until_published(&self, count: u64) -> anyhow::Result<u64> {
        loop {
            if let Ok(stream) = self.jetstream.get_stream(STREAM).await {
                let there = stream.cached_info().state.messages;
                if there >= count {
                    return Ok(there);
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Processor time so far, of all that the relay stands between.
    pub(crate) fn used(&self) -> anyhow::Result<Used> {
        Ok(Used {
            log: cpu_with_children(self.log.id().context("the log has ended")?)?,
            nats: cpu_with_children(self.nats.pid().unsigned_abs())?,
            postgres: cpu_with_children(self.postgres.pid().unsigned_abs())?,
        })
    }

    pub(crate) async fn public(&self) -> anyhow::Result<u64> {
        Ok(relay::count_public(&self.desk.log).await?)
    }
}

/// Processor time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) log: Duration,
    pub(crate) nats: Duration,
    pub(crate) postgres: Duration,
}

impl Used {
    /// Since an earlier look.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            log: self.log.saturating_sub(before.log),
            nats: self.nats.saturating_sub(before.nats),
            postgres: self.postgres.saturating_sub(before.postgres),
        }
    }
}

impl Relay {
    /// Processor time so far.
    pub(crate) fn used(&self) -> anyhow::Result<Duration> {
        cpu_with_children(self.0.id().context("it has ended")?)
    }

    /// As it ends in order, so that the next need not wait for its lease.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        let pid = self.0.id().context("it has ended")?;
        let ended = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
        ensure!(ended.success(), "the relay cannot be ended");
        ensure!(self.0.wait().await?.success(), "the relay ended badly");
        Ok(())
    }

    /// Now, and at most so far.
    pub(crate) fn memory_mib(&self) -> anyhow::Result<(f64, f64)> {
        let pid = self.0.id().context("it has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let mib = |name: &str| -> anyhow::Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let line = line.with_context(|| format!("no {name}"))?;
            Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
        };
        Ok((mib("VmRSS:")?, mib("VmHWM:")?))
    }
}

/// `ticketing`, which is built into the same folder as this program.
fn ticketing() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("ticketing");
    ensure!(program.exists(), "build it first: cargo build --release --package ticketing");
    Ok(program)
}

async fn serve(store: &Path) -> anyhow::Result<(Child, String)> {
    let mut server = Command::new(ticketing()?)
        .args(["log", "serve", "--listen", "127.0.0.1:0", "--directory"])
        .arg(store)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(server.stdout.take().context("no output")?).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(rest) = line.strip_prefix("log: ") {
            return Ok((server, rest.split(',').next().unwrap_or_default().to_owned()));
        }
    }
    anyhow::bail!("the log did not start")
}
