//! `ticketing log`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use tokio::net::TcpListener;

use crate::config::{self, Metrics};
use crate::shutdown;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the embedded event log over KurrentDB's gRPC protocol.
    Serve(Settings),
}

#[derive(Args, Debug)]
pub(crate) struct Settings {
    /// Where the events are kept.
    #[arg(
        long,
        env = "TICKETING_LOG_DIRECTORY",
        default_value = ".ticketing/log",
        value_name = "DIRECTORY"
    )]
    directory: PathBuf,
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

pub(crate) async fn serve(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    let listener = config::listen(settings.listen).await?;
    settings.metrics.serve()?;
    let server = open(settings.directory.clone()).await?;
    println!(
        "log: {}, events in {}",
        connection_string(listener.local_addr()?),
        settings.directory.display()
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
