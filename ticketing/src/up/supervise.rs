//! Keeps a server of ours running.

use std::path::PathBuf;
use std::time::Duration;

use local_services::{Durability, Nats, Postgres, ServiceError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const RESTART_AFTER: Duration = Duration::from_secs(1);

/// A server with a directory of its own; started again, it has the same address and data.
pub(crate) trait Service: Sized + Send + 'static {
    const NAME: &'static str;
    fn start(directory: PathBuf) -> impl Future<Output = Result<Self, ServiceError>> + Send;
    /// Waits until it ends by itself, and says how.
    fn ended(&self) -> impl Future<Output = String> + Send;
    fn stop(self) -> impl Future<Output = ()> + Send;
}

impl Service for Postgres {
    const NAME: &'static str = "Postgres";

    async fn start(directory: PathBuf) -> Result<Self, ServiceError> {
        Self::start(&directory, Durability::Durable).await
    }

    async fn ended(&self) -> String {
        self.ended().await
    }

    async fn stop(self) {
        self.stop().await;
    }
}

impl Service for Nats {
    const NAME: &'static str = "NATS";

    async fn start(directory: PathBuf) -> Result<Self, ServiceError> {
        Self::start(&directory, Durability::Durable).await
    }

    async fn ended(&self) -> String {
        self.ended().await
    }

    async fn stop(self) {
        self.stop().await;
    }
}

/// A server that is started again whenever it ends before its time.
#[derive(Debug)]
pub(crate) struct Supervised {
    stop: CancellationToken,
    keeper: JoinHandle<()>,
}

impl Supervised {
    pub(crate) fn keep<S: Service>(server: S, directory: PathBuf) -> Self {
        let stop = CancellationToken::new();
        let keeper = tokio::spawn(keep(server, directory, stop.clone()));
        Self { stop, keeper }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.keeper.await {
            tracing::warn!(%error, "a server was not ended in order");
        }
    }
}

async fn keep<S: Service>(mut server: S, directory: PathBuf, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return server.stop().await,
            how = server.ended() => {
                tracing::error!("{} ended ({how}); starting it again", S::NAME);
            }
        }
        // Dropped first: it holds the directory.
        drop(server);
        server = loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RESTART_AFTER) => {}
            }
            match S::start(directory.clone()).await {
                Ok(server) => break server,
                Err(error) => tracing::error!("{} does not start: {error}", S::NAME),
            }
        };
        tracing::info!("{} runs again", S::NAME);
    }
}
