use std::path::PathBuf;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::testing::TestFolder;
use crate::{Durability, Nats, Postgres, ServiceError};

/// A Postgres of the test's own, for tests in which it goes away and comes back.
#[derive(Debug)]
pub struct TestPostgres {
    // Before the folder, so that it has ended when the folder goes.
    server: Option<Postgres>,
    url: String,
    folder: TestFolder,
}

impl TestPostgres {
    /// # Panics
    /// If it does not start.
    pub async fn start() -> Self {
        let folder = TestFolder::new();
        let server = started(Postgres::start(folder.path(), Durability::Throwaway).await);
        Self { url: server.url(), server: Some(server), folder }
    }

    /// The address of the database `postgres`; the same after [`TestPostgres::start_again`].
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Starts it on the same data and the same port.
    ///
    /// # Panics
    /// If it does not start, or if somebody took the port meanwhile.
    pub async fn start_again(&mut self) {
        self.stop().await;
        let server = started(Postgres::start(self.folder.path(), Durability::Throwaway).await);
        assert_eq!(server.url(), self.url, "somebody else took the port");
        self.server = Some(server);
    }
}

/// A NATS server of the test's own. It starts in a fraction of a second, and `JetStream` refuses a
/// second stream on the same subjects, so tests do not share one.
#[derive(Debug)]
pub struct TestNats {
    // Before the folder, so that it has ended when the folder goes.
    server: Option<Nats>,
    url: String,
    configuration: String,
    folder: TestFolder,
}

impl TestNats {
    /// # Panics
    /// If it does not start.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same with more of the server's own configuration, such as who may log in.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_with(configuration: &str) -> Self {
        let folder = TestFolder::new();
        let server = serve(&folder, configuration).await;
        let configuration = configuration.to_owned();
        Self { url: server.url(), server: Some(server), configuration, folder }
    }

    /// The same after [`TestNats::start_again`].
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its streams lie.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("jetstream")
    }

    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Ends it as a crash does.
    ///
    /// # Panics
    /// If it has ended already.
    pub async fn kill(&mut self) {
        let server = self.server.take().unwrap_or_else(|| panic!("it does not run"));
        let killed = nix::sys::signal::kill(Pid::from_raw(server.pid()), Signal::SIGKILL);
        killed.unwrap_or_else(|error| panic!("it cannot be killed: {error}"));
        server.ended().await;
    }

    /// Starts it on the same data and the same port.
    ///
    /// # Panics
    /// If it does not start, or if somebody took the port meanwhile.
    pub async fn start_again(&mut self) {
        self.stop().await;
        let server = serve(&self.folder, &self.configuration).await;
        assert_eq!(server.url(), self.url, "somebody else took the port");
        self.server = Some(server);
    }
}

async fn serve(folder: &TestFolder, configuration: &str) -> Nats {
    started(Nats::start_with(folder.path(), Durability::Throwaway, configuration).await)
}

fn started<S>(server: Result<S, ServiceError>) -> S {
    server.unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))
}
