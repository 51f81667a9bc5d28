//! The binary under test, as a process.

use std::net::TcpListener;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

/// The slowest thing waited for, on a machine with much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// What the machine that runs the tests may have set for itself.
const SETTINGS: [&str; 14] = [
    "DATABASE_URL",
    "KURRENTDB_URL",
    "NATS_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "RUST_LOG",
    "STRIPE_API_BASE",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "TICKETING_DATA",
    "TICKETING_LIMITS",
    "TICKETING_LISTEN",
    "TICKETING_METRICS",
    "TICKETING_MUTANT",
    "TICKETING_ORIGINS",
];

/// A running `ticketing …`; it is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    output: Arc<Mutex<String>>,
}

/// `ticketing …`, without what this machine has set.
pub(crate) fn ticketing<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ticketing"));
    for setting in SETTINGS {
        command.env_remove(setting);
    }
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// `ticketing up` on free ports.
pub(crate) fn up(data: &Path) -> Command {
    let mut command = ticketing(["up", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
    command.arg("--data").arg(data);
    command
}

/// Runs a program that is expected to end by itself.
pub(crate) async fn outcome(mut command: Command) -> Output {
    tokio::time::timeout(PATIENCE, command.output()).await.expect("it goes on").unwrap()
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = Arc::default();
        collect(child.stdout.take().unwrap(), &output);
        collect(child.stderr.take().unwrap(), &output);
        Self { child, output }
    }

    /// Starts `ticketing up` and waits until it says that it is ready.
    pub(crate) async fn up(command: Command) -> Self {
        let mut program = Self::start(command);
        program.wait_for("ready after").await;
        program
    }

    /// Waits for a line that holds the text, and gives it.
    pub(crate) async fn wait_for(&mut self, text: &str) -> String {
        let said = tokio::time::timeout(PATIENCE, async {
            loop {
                let ended = self.child.try_wait().unwrap();
                if let Some(line) = self.output().lines().find(|line| line.contains(text)) {
                    return Ok(line.to_owned());
                }
                if let Some(status) = ended {
                    return Err(status);
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        });
        match said.await {
            Ok(Ok(line)) => line,
            Ok(Err(status)) => panic!("ended with {status} before {text:?}:\n{}", self.output()),
            Err(_) => panic!("no {text:?} within {PATIENCE:?}:\n{}", self.output()),
        }
    }

    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id().try_into().unwrap()), signal).unwrap();
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.unwrap(),
            Err(_) => panic!("does not end:\n{}", self.output()),
        }
    }

    /// As a power cut would.
    pub(crate) async fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.ended().await;
    }
}

fn collect(stream: impl AsyncRead + Unpin + Send + 'static, output: &Arc<Mutex<String>>) {
    let output = output.clone();
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut output = output.lock().unwrap();
            output.push_str(&line);
            output.push('\n');
        }
    });
}

/// What `ticketing up` says of itself in its directory, while it runs.
pub(crate) fn running(data: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(data.join("running.json")).ok()?).ok()
}

/// Where `ticketing up` serves people.
pub(crate) fn address(data: &Path) -> String {
    running(data).unwrap()["http"].as_str().unwrap().to_owned()
}

/// Waits until something is so.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    match tokio::time::timeout(PATIENCE, found).await {
        Ok(found) => found,
        Err(_) => panic!("not within {PATIENCE:?}: {what}"),
    }
}

/// An address that nothing listens at, for programs that have to come back to it.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// How many orders the shop knows; none while it cannot be asked.
pub(crate) async fn orders(data: &Path) -> Option<i64> {
    let database = running(data)?["database"].as_str()?.to_owned();
    let mut connection = PgConnection::connect(&database).await.ok()?;
    sqlx::query_scalar("SELECT count(*) FROM read.orders").fetch_one(&mut connection).await.ok()
}
