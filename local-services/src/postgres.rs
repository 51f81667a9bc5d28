//! Postgres on a directory of ours.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::cluster::{Cluster, SUPERUSER};
use crate::directory::ServiceDirectory;
use crate::process::{ServiceProcess, StopSteps, dying_with_us, end_orphan, is_alive};
use crate::{Durability, Found, ServiceError};

/// Recovery after a power cut may take its time; a server that ends is noticed at once.
const START_SECONDS_MAX: u64 = 120;
/// For what passes: a port that somebody took between our choice and our use of it, and the last
/// children of a server that was killed, which finish their queries first.
const ATTEMPTS_MAX: u32 = 100;
const NEXT_ATTEMPT_AFTER: Duration = Duration::from_millis(300);
const POLL_EVERY: Duration = Duration::from_millis(20);

/// `SIGINT` is Postgres's fast shutdown: connections are cut, everything is on the disk.
const STOP: StopSteps = &[
    (Signal::SIGINT, Duration::from_secs(30)),
    (Signal::SIGQUIT, Duration::from_secs(10)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];
/// For data that nobody will read again.
const STOP_AT_ONCE: StopSteps =
    &[(Signal::SIGQUIT, Duration::from_secs(10)), (Signal::SIGKILL, Duration::from_secs(5))];

const SETTINGS: [&str; 5] = [
    "listen_addresses=127.0.0.1",
    // A socket file would need a path shorter than 108 bytes, and nobody uses it.
    "unix_socket_directories=",
    "logging_collector=off",
    // Our queries are short; compiling them costs more than running them.
    "jit=off",
    "log_checkpoints=off",
];
/// More than all pools of `ticketing up`, a demo and a few tools beside it can take: a pool that is
/// refused a connection tries again in silence until its patience ends.
const DURABLE_SETTINGS: [&str; 1] = ["max_connections=250"];
/// One server for many tests at once, each with its pools.
const THROWAWAY_SETTINGS: [&str; 4] =
    ["max_connections=300", "fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/// A running Postgres, ours alone. Dropping it ends the server too, but an orderly end is
/// [`Postgres::stop`].
#[derive(Debug)]
pub struct Postgres {
    // First, so that it has ended before the directory is given up.
    process: ServiceProcess,
    cluster: Cluster,
    port: u16,
    _directory: ServiceDirectory,
}

impl Postgres {
    /// Starts a server on the directory and waits until it accepts connections. A new directory
    /// gets a new, empty database; `durability` must be the same each time.
    ///
    /// # Errors
    /// No Postgres here, a directory in use or of another version or owner, a server that does
    /// not start: each says what to do.
    pub async fn start(directory: &Path, durability: Durability) -> Result<Self, ServiceError> {
        let directory = ServiceDirectory::claim(directory, "Postgres")?;
        let cluster = Cluster::open(&directory, durability).await?;
        end_leftover(&cluster).await?;
        let mut attempt = 1;
        loop {
            let port = directory.free_port()?;
            let process = spawn(&directory, &cluster, port, durability).await?;
            match wait_until_ready(&process, &cluster).await {
                Ok(()) => {
                    directory.remember_port(port)?;
                    return Ok(Self { process, cluster, port, _directory: directory });
                }
                Err(what) if attempt == ATTEMPTS_MAX || !may_pass(&directory) => {
                    return Err(directory.not_started(what));
                }
                Err(_may_pass) => attempt += 1,
            }
            tokio::time::sleep(NEXT_ATTEMPT_AFTER).await;
        }
    }

    /// The address of the database `postgres`, with the password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The address of a database of this server.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        let password = self.cluster.password.as_ref().map(|p| format!(":{p}")).unwrap_or_default();
        format!("postgres://{SUPERUSER}{password}@127.0.0.1:{}/{database}", self.port)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// The program that runs.
    #[must_use]
    pub fn program(&self) -> &Found {
        &self.cluster.program
    }

    /// Where the data is. For root it may be elsewhere than in the directory given.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.cluster.data
    }

    /// Waits until the server ends, by itself or by [`Postgres::stop`], and says how.
    pub async fn ended(&self) -> String {
        self.process.ended().await
    }

    /// Ends the server: connections are cut, everything committed is kept.
    pub async fn stop(self) {
        self.process.stop(STOP).await;
    }
}

/// A server that a killed owner left running on the data, and the pid file of one that is gone.
async fn end_leftover(cluster: &Cluster) -> Result<(), ServiceError> {
    let Some((pid, _)) = cluster.postmaster() else { return Ok(()) };
    if !end_orphan(pid, "postgres", &cluster.data, STOP).await {
        return Err(ServiceError::OrphanStays { pid, directory: cluster.data.clone() });
    }
    // Postgres clears the file of a dead server away, but not if the number is a stranger's now.
    if is_alive(pid) {
        let _gone_with_its_server = std::fs::remove_file(cluster.data.join("postmaster.pid"));
    }
    Ok(())
}

async fn spawn(
    directory: &ServiceDirectory,
    cluster: &Cluster,
    port: u16,
    durability: Durability,
) -> Result<ServiceProcess, ServiceError> {
    let (settings, drop_steps): (&[&str], _) = match durability {
        Durability::Durable => (&DURABLE_SETTINGS, STOP),
        Durability::Throwaway => (&THROWAWAY_SETTINGS, STOP_AT_ONCE),
    };
    let mut command = dying_with_us(&cluster.program.path, Signal::SIGINT);
    command.arg("-D").arg(&cluster.data).args(["-p", &port.to_string()]).env("LC_ALL", "C");
    for setting in SETTINGS.iter().chain(settings) {
        command.args(["-c", setting]);
    }
    let log = directory.fresh_log()?;
    ServiceProcess::spawn(command, cluster.run_as.as_ref(), log, drop_steps)
        .await
        .map_err(ServiceError::io("run", &cluster.program.path))
}

async fn wait_until_ready(process: &ServiceProcess, cluster: &Cluster) -> Result<(), String> {
    let ready = async {
        loop {
            if let Some(how) = process.has_ended() {
                return Err(format!("ended at its start ({how})"));
            }
            if cluster.postmaster() == Some((process.pid(), true)) {
                return Ok(());
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(START_SECONDS_MAX), ready)
        .await
        .unwrap_or_else(|_| Err(format!("was not ready after {START_SECONDS_MAX} s")))
}

fn may_pass(directory: &ServiceDirectory) -> bool {
    let log = directory.log();
    log.contains("Address already in use") || log.contains("shared memory block")
}

/// Whether a server works on the directory, whoever owns it.
pub(crate) fn is_running(directory: &Path) -> bool {
    let Ok(data) = std::fs::canonicalize(directory.join("cluster/data")) else { return false };
    let postmaster = crate::cluster::postmaster(&data);
    postmaster.is_some_and(|(pid, _)| crate::process::works_in(pid, "postgres", &data))
}
