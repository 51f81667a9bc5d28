//! What was acknowledged survives a kill -9, and nothing else comes of one.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use embedded_log::{Options, Server};
use eventstore::{ReadAllOptions, StreamPosition, StreamState};
use tokio::net::TcpListener;

use crate::support::{append, connect, event, number, soon};

const ROUNDS: usize = 4;
const WRITERS: usize = 8;
/// Acknowledged appends after which a round's server is killed.
const APPENDS_PER_ROUND: u64 = 150;

const CHILD: &str = "durability::child_that_serves_until_killed";
const CHILD_DIRECTORY: &str = "EMBEDDED_LOG_TEST_CHILD_DIRECTORY";

/// Not a test of its own: the server that [`acknowledged_appends_survive_kill_9`] kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by another test"]
async fn child_that_serves_until_killed() {
    #[allow(clippy::disallowed_methods, reason = "a child of a test is told where to serve")]
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else { return };
    let directory = Path::new(&directory);
    let server = Server::open(Options::new(directory.join("log"))).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::fs::write(directory.join("address.new"), address).unwrap();
    std::fs::rename(directory.join("address.new"), directory.join("address")).unwrap();
    server.serve(listener, std::future::pending()).await.unwrap();
}

/// A server in a process of its own, killed at the latest when dropped.
struct Victim {
    process: Child,
    connection_string: String,
}

impl Victim {
    async fn start(directory: &Path) -> Self {
        let address = directory.join("address");
        let _ = std::fs::remove_file(&address);
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", CHILD])
            .env(CHILD_DIRECTORY, directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = soon("the child serves", async {
            loop {
                if let Ok(text) = tokio::fs::read_to_string(&address).await {
                    break text;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        let connection_string = format!("kurrentdb://{address}?tls=false&discoveryInterval=20");
        Self { process, connection_string }
    }

    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_appends_survive_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged: HashMap<String, u64> = HashMap::new();
    for round in 0..ROUNDS {
        let mut victim = Victim::start(directory.path()).await;
        let count = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let stream = format!("writer-{round}-{writer}");
                let client = connect(&victim.connection_string);
                let written = write_until_it_fails(client, stream.clone(), Arc::clone(&count));
                (stream, tokio::spawn(written))
            })
            .collect();
        soon("enough appends", async {
            while count.load(Ordering::Relaxed) < APPENDS_PER_ROUND {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        victim.kill();
        for (stream, writer) in writers {
            acknowledged.insert(stream, soon("the writer notices", writer).await.unwrap());
        }
    }
    let survivor = Victim::start(directory.path()).await;
    check(&survivor, &acknowledged).await;
}

/// Appends 0, 1, 2 … to one stream; how many were acknowledged.
async fn write_until_it_fails(
    client: eventstore::Client,
    stream: String,
    count: Arc<AtomicU64>,
) -> u64 {
    for number in 0.. {
        let state = match number {
            0 => StreamState::NoStream,
            next => StreamState::StreamRevision(next - 1),
        };
        if append(&client, &stream, state, vec![event(number)]).await.is_err() {
            return number;
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
    0
}

async fn check(survivor: &Victim, acknowledged: &HashMap<String, u64>) {
    let client = connect(&survivor.connection_string);
    let options =
        ReadAllOptions::default().position(StreamPosition::Start).forwards().max_count(1_000_000);
    let mut all = client.read_all(&options).await.unwrap();
    let mut found: HashMap<String, u64> = HashMap::new();
    while let Some(taken) = all.next().await.unwrap() {
        let event = taken.get_original_event();
        let next = found.entry(event.stream_id().to_owned()).or_default();
        assert_eq!((event.revision, number(&taken)), (*next, *next), "no gap, nothing twice");
        *next += 1;
    }
    let total: u64 = acknowledged.values().sum();
    assert!(total >= APPENDS_PER_ROUND * ROUNDS as u64);
    for (stream, count) in acknowledged {
        let stored = found.get(stream).copied().unwrap_or_default();
        // The one append under way at the kill may have made it, or not.
        assert!(
            stored == *count || stored == count + 1,
            "{stream}: {count} acknowledged, {stored}"
        );
        if stored > 0 {
            let at_end = StreamState::StreamRevision(stored - 1);
            append(&client, stream, at_end, vec![event(stored)]).await.unwrap();
        }
    }
}
