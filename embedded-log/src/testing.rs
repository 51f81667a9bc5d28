//! A log for tests: a real server on a free port, in a directory that goes with it.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::server::{Options, ServeError, Server};

/// A served log. Dropping it ends the server and removes its directory.
pub struct TestLog {
    directory: TempDir,
    address: SocketAddr,
    running: Option<Running>,
}

struct Running {
    stop: CancellationToken,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl TestLog {
    /// Serves an empty log on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If the machine has no room for it: no temporary directory or no free port.
    #[allow(clippy::expect_used, reason = "a test that cannot start must fail on the spot")]
    pub async fn start() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("embedded-log-")
            .tempdir()
            .expect("a temporary directory");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the listener's address");
        let running = Some(serve(directory.path(), listener).await);
        Self { directory, address, running }
    }

    /// What a client connects with; the same over restarts.
    pub fn connection_string(&self) -> String {
        format!("kurrentdb://{}?tls=false&discoveryInterval=20", self.address)
    }

    /// Where the log lies.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes the log away as a clean shutdown does. Nothing happens if it is away already.
    ///
    /// # Panics
    /// If the server ended with an error.
    #[allow(clippy::expect_used, reason = "a server that ends badly must fail the test")]
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.cancel();
            running.serving.await.expect("the server's task").expect("a clean end");
        }
    }

    /// Brings the log back, with what it held, at the same address; stops it first if it is there.
    ///
    /// # Panics
    /// If the port was taken by someone else meanwhile, or the log does not open.
    #[allow(clippy::expect_used, reason = "a test that cannot go on must fail on the spot")]
    pub async fn restart(&mut self) {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await.expect("the port it had before");
        self.running = Some(serve(self.directory.path(), listener).await);
    }
}

impl Drop for TestLog {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.stop.cancel();
        }
    }
}

#[allow(clippy::expect_used, reason = "a test that cannot start must fail on the spot")]
async fn serve(directory: &Path, listener: TcpListener) -> Running {
    let options = Options::new(directory);
    let opening = tokio::task::spawn_blocking(move || Server::open(options));
    let server = opening.await.expect("the opening task").expect("the log opens");
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    Running { stop, serving: tokio::spawn(server.serve(listener, stopped)) }
}
