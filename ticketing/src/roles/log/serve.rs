//! `ticketing log serve`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use tokio::net::TcpListener;

use super::Directory;
use crate::config::{self, Metrics};
use crate::shutdown;

#[derive(Args, Debug)]
#[command(
    after_help = "It holds one machine's worth of events, durably: an append is answered when \
it is on the disk. Every client of KurrentDB can use it:\n\n  \
ticketing log serve --directory /var/lib/ticketing/log\n  \
ticketing log tail --all --log-url 'kurrentdb://127.0.0.1:2113?tls=false'"
)]
pub(crate) struct Settings {
    #[command(flatten)]
    directory: Directory,
    /// The address to serve at. There is no password: keep it to this machine or a private network.
    #[arg(
        long,
        env = "TICKETING_LOG_LISTEN",
        default_value = "127.0.0.1:2113",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,
    #[command(flatten)]
    metrics: Metrics,
}

pub(super) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    let listener = config::listen(settings.listen).await?;
    settings.metrics.serve()?;
    let directory = settings.directory.directory;
    let server = open(directory.clone()).await?;
    println!(
        "log: {}, events in {}",
        connection_string(listener.local_addr()?),
        directory.display()
    );
    serve_on(server, listener, shutdown.cancelled_owned()).await
}

/// Opens the store; after a crash that may take the disk a while.
pub(crate) async fn open(directory: PathBuf) -> anyhow::Result<embedded_log::Server> {
    let options = embedded_log::Options::new(directory);
    Ok(tokio::task::spawn_blocking(|| embedded_log::Server::open(options)).await??)
}

pub(crate) async fn serve_on(
    server: embedded_log::Server,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    server.serve(listener, shutdown).await?;
    Ok(())
}

/// How the official client reaches it. The client waits for one discovery interval before it
/// connects, even to a single node; its default of half a second would be felt at every start.
pub(crate) fn connection_string(address: SocketAddr) -> String {
    format!("kurrentdb://{address}?tls=false&discoveryInterval=20")
}
