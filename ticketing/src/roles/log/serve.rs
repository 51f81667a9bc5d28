//! `ticketing log serve`

use std::net::SocketAddr;

use clap::Args;
use tokio::net::TcpListener;

use super::Directory;
use super::access::Access;
use crate::config::{self, Metrics};
use crate::shutdown;

#[derive(Args, Debug)]
#[command(
    after_help = "It holds one machine's worth of events, durably: an append is answered when \
it is on the disk. Every client of KurrentDB can use it:\n\n  \
ticketing log serve --directory /var/lib/ticketing/log\n  \
ticketing log tail --all --log-url 'kurrentdb://127.0.0.1:2113?tls=false'\n\n\
For other machines, with a certificate and a password:\n  \
echo ann:$(openssl rand -hex 16) > /etc/ticketing/log-users\n  \
ticketing log serve --listen 0.0.0.0:2113 --advertise log.example:2113 \\\n    \
--tls-certificate log.example.pem --tls-key log.example.key --users /etc/ticketing/log-users\n  \
KURRENTDB_URL='kurrentdb://ann:PASSWORD@log.example:2113?tls=true&tlsCaFile=authority.pem'"
)]
pub(crate) struct Settings {
    #[command(flatten)]
    directory: Directory,
    /// The address to serve at: this machine only, unless you say otherwise.
    #[arg(
        long,
        env = "TICKETING_LOG_LISTEN",
        default_value = "127.0.0.1:2113",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,
    /// HOST:PORT by which clients reach it that discover their node (kurrentdb+discover://). By
    /// default what it listens at.
    #[arg(long, env = "TICKETING_LOG_ADVERTISE", value_name = "HOST:PORT")]
    advertise: Option<String>,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    metrics: Metrics,
}

impl Settings {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.options().map(drop)
    }

    fn options(&self) -> anyhow::Result<embedded_log::Options> {
        let mut options = embedded_log::Options::new(&self.directory.directory);
        (options.tls, options.credentials) = (self.access.tls()?, self.access.credentials()?);
        options.advertised.clone_from(&self.advertise);
        Ok(options)
    }
}

pub(super) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    let listener = config::listen(settings.listen).await?;
    settings.metrics.serve()?;
    let options = settings.options()?;
    let directory = settings.directory.directory;
    let address = listener.local_addr()?;
    settings.access.warn_of_strangers(address);
    let url = settings.access.connection_string(address, settings.advertise.as_deref());
    let server = open(options).await?;
    println!("log: {url}, events in {}", directory.display());
    serve_on(server, listener, shutdown.cancelled_owned()).await
}

/// Opens the store; after a crash that may take the disk a while.
pub(crate) async fn open(options: embedded_log::Options) -> anyhow::Result<embedded_log::Server> {
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
