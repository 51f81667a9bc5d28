//! A server in a process of its own, and what the tests ask of one.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use embedded_log::{Options, Server};
use eventstore::{
    AppendToStreamOptions, Client, ClientSettings, EventData, ReadAllOptions, ReadStreamOptions,
    ResolvedEvent, StreamPosition, StreamState,
};
use tokio::net::TcpListener;
use uuid::Uuid;

/// How long anything that must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const CHILD: &str = "child::serves_until_killed";
const CHILD_DIRECTORY: &str = "EMBEDDED_LOG_TEST_CHILD_DIRECTORY";

/// Not a test of its own: the server that the tests start, and most of them kill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the other tests"]
async fn serves_until_killed() {
    #[allow(clippy::disallowed_methods, reason = "a child of a test is told where to serve")]
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else { return };
    // Ends with the test, however that ends.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let directory = Path::new(&directory);
    let server = Server::open(Options::new(directory.join("log"))).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::fs::write(directory.join("address.new"), address).unwrap();
    std::fs::rename(directory.join("address.new"), directory.join("address")).unwrap();
    server.serve(listener, std::future::pending()).await.unwrap();
}

/// A serving process, killed at the latest when dropped.
pub(crate) struct Victim {
    process: Child,
    address: String,
}

impl Victim {
    /// Serves `directory/log`.
    pub(crate) async fn start(directory: &Path) -> Self {
        Self::start_under(directory, &[]).await
    }

    /// Likewise, started by `wrapper` with the server's command line behind it.
    pub(crate) async fn start_under(directory: &Path, wrapper: &[&str]) -> Self {
        let address = directory.join("address");
        let _ = std::fs::remove_file(&address);
        let exe = std::env::current_exe().unwrap();
        let exe = exe.to_str().unwrap();
        let line = [wrapper, &[exe, "--ignored", "--exact", CHILD]].concat();
        let process = Command::new(line[0])
            .args(&line[1..])
            .env(CHILD_DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut victim = Self { process, address: String::new() };
        victim.address = soon("the child serves", async {
            loop {
                if let Ok(text) = tokio::fs::read_to_string(&address).await {
                    break text;
                }
                assert!(victim.process.try_wait().unwrap().is_none(), "the child ended");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        victim
    }

    pub(crate) fn connect(&self) -> Client {
        let address = &self.address;
        let string = format!("kurrentdb://{address}?tls=false&discoveryInterval=20");
        let settings: ClientSettings = string.parse().unwrap();
        Client::new(settings).unwrap()
    }

    /// Where it serves.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Of the server, unless a wrapper stays in between.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Ends it and what it was started by: the server follows the end of its input, and a wrapper
    /// the server.
    pub(crate) fn end(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The future's result, or a failed test when it takes too long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

pub(crate) fn event(number: u64) -> EventData {
    sized_event(number, 300)
}

/// An event that says its number in its first bytes.
pub(crate) fn sized_event(number: u64, bytes: usize) -> EventData {
    let mut data = number.to_be_bytes().to_vec();
    // Bytes that do not compress, or hardly.
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while data.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        data.extend_from_slice(&state.to_be_bytes());
    }
    data.truncate(bytes.max(8));
    EventData::binary("Numbered.v1", data.into()).id(Uuid::new_v4())
}

pub(crate) fn number(event: &ResolvedEvent) -> u64 {
    u64::from_be_bytes(event.get_original_event().data[..8].try_into().unwrap())
}

/// The state after `count` events.
pub(crate) fn after(count: u64) -> StreamState {
    match count {
        0 => StreamState::NoStream,
        _ => StreamState::StreamRevision(count - 1),
    }
}

pub(crate) async fn append(
    client: &Client,
    stream: &str,
    state: StreamState,
    events: Vec<EventData>,
) -> eventstore::Result<()> {
    let options = AppendToStreamOptions::default().stream_state(state);
    client.append_to_stream(stream, &options, events).await.map(|_| ())
}

/// The numbers in the events of a stream.
pub(crate) async fn numbers(client: &Client, stream: &str) -> Vec<u64> {
    let options = ReadStreamOptions::default().position(StreamPosition::Start).forwards();
    let mut reading = client.read_stream(stream, &options).await.unwrap();
    let mut found = Vec::new();
    while let Some(event) = reading.next().await.unwrap() {
        found.push(number(&event));
    }
    found
}

/// Everything in `$all` from `position` on.
pub(crate) async fn all(
    client: &Client,
    position: StreamPosition<eventstore::Position>,
) -> Vec<ResolvedEvent> {
    let options = ReadAllOptions::default().position(position).forwards().max_count(10_000_000);
    let mut reading = client.read_all(&options).await.unwrap();
    let mut found = Vec::new();
    while let Some(event) = reading.next().await.unwrap() {
        found.push(event);
    }
    found
}
