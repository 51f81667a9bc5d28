//! A NATS server with `JetStream` on a directory of ours.

mod access;

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::directory::ServiceDirectory;
use crate::process::{ServiceProcess, StopSteps, dying_with_us, end_orphan};
use crate::{Durability, Found, ServiceError, find_nats};

const START_SECONDS_MAX: u64 = 60;
/// Between choosing a free port and using it somebody else may take it.
const PORT_ATTEMPTS: u32 = 5;
const POLL_EVERY: Duration = Duration::from_millis(10);
const STOP: StopSteps =
    &[(Signal::SIGTERM, Duration::from_secs(10)), (Signal::SIGKILL, Duration::from_secs(5))];

/// A running NATS server, ours alone. Dropping it ends the server.
#[derive(Debug)]
pub struct Nats {
    // First, so that it has ended before the directory is given up.
    process: ServiceProcess,
    program: Found,
    port: u16,
    /// Of the relay; none where everybody may do everything.
    password: Option<String>,
    _directory: ServiceDirectory,
}

impl Nats {
    /// Starts a server on the directory and waits until it accepts clients. When durable, a
    /// message is on the disk before it is acknowledged.
    ///
    /// # Errors
    /// No NATS new enough here, a directory in use, a server that does not start: each says what
    /// to do.
    pub async fn start(directory: &Path, durability: Durability) -> Result<Self, ServiceError> {
        Self::start_with(directory, durability, "").await
    }

    /// The same with more of the server's own configuration.
    pub(crate) async fn start_with(
        directory: &Path,
        durability: Durability,
        more: &str,
    ) -> Result<Self, ServiceError> {
        let directory = ServiceDirectory::claim(directory, "NATS")?;
        let program = find_nats()?;
        end_leftover(&directory).await?;
        let password = access::password(directory.path(), durability)?;
        let mut attempt = 1;
        loop {
            let port = directory.free_port()?;
            let users = password.as_deref().map(access::users).unwrap_or_default();
            let config = configuration(directory.path(), port, durability, &(users + more));
            let process = spawn(&directory, &program, &config).await?;
            match wait_until_ready(&process, &directory).await {
                Ok(()) => {
                    directory.remember_port(port)?;
                    return Ok(Self { process, program, port, password, _directory: directory });
                }
                Err(what) if attempt == PORT_ATTEMPTS || !port_was_taken(&directory) => {
                    return Err(directory.not_started(what));
                }
                Err(_port_taken) => attempt += 1,
            }
        }
    }

    /// For everybody: when durable, they may consume what the relay publishes, and no more.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// For the relay, with its password.
    #[must_use]
    pub fn relay_url(&self) -> String {
        match &self.password {
            Some(password) => access::relay_url(password, self.port),
            None => self.url(),
        }
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
        &self.program
    }

    /// Waits until the server ends, by itself or by [`Nats::stop`], and says how.
    pub async fn ended(&self) -> String {
        self.process.ended().await
    }

    /// Ends the server; streams are kept.
    pub async fn stop(self) {
        self.process.stop(STOP).await;
    }
}

/// A server that a killed owner left running on the directory.
async fn end_leftover(directory: &ServiceDirectory) -> Result<(), ServiceError> {
    let pid_path = directory.path().join("server.pid");
    let pid = fs::read_to_string(&pid_path).ok().and_then(|text| text.trim().parse().ok());
    let Some(pid) = pid else { return Ok(()) };
    if end_orphan(pid, "nats-server", directory.path(), STOP).await {
        return Ok(());
    }
    Err(ServiceError::OrphanStays { pid, directory: directory.path().to_owned() })
}

async fn spawn(
    directory: &ServiceDirectory,
    program: &Found,
    configuration: &str,
) -> Result<ServiceProcess, ServiceError> {
    let config = directory.path().join("server.conf");
    access::write_private(&config, configuration).map_err(ServiceError::io("write", &config))?;
    let mut command = dying_with_us(&program.path, Signal::SIGTERM);
    // Its working directory is how a later owner knows it for ours.
    command.arg("--config").arg(&config).current_dir(directory.path());
    ServiceProcess::spawn(command, None, directory.fresh_log()?, STOP)
        .await
        .map_err(ServiceError::io("run", &program.path))
}

fn configuration(directory: &Path, port: u16, durability: Durability, more: &str) -> String {
    let sync_interval = match durability {
        Durability::Durable => "always",
        // Its own default: every two minutes.
        Durability::Throwaway => "2m",
    };
    format!(
        "listen: \"127.0.0.1:{port}\"\n\
         pid_file: {}\n\
         jetstream {{\n  store_dir: {}\n  sync_interval: {sync_interval}\n}}\n{more}",
        quoted(&directory.join("server.pid")),
        quoted(&directory.join("jetstream")),
    )
}

/// A string of NATS's configuration language, whatever the path has in it.
fn quoted(path: &Path) -> String {
    let mut quoted = String::from("\"");
    for character in path.to_string_lossy().chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

async fn wait_until_ready(
    process: &ServiceProcess,
    directory: &ServiceDirectory,
) -> Result<(), String> {
    let ready = async {
        loop {
            if let Some(how) = process.has_ended() {
                return Err(format!("ended at its start ({how})"));
            }
            if directory.log().contains("Server is ready") {
                return Ok(());
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(START_SECONDS_MAX), ready)
        .await
        .unwrap_or_else(|_| Err(format!("was not ready after {START_SECONDS_MAX} s")))
}

fn port_was_taken(directory: &ServiceDirectory) -> bool {
    directory.log().contains("address already in use")
}
