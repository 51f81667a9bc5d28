//! `ticketing stripe-sandbox`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::config;
use crate::shutdown;

#[derive(Args, Debug)]
pub(crate) struct Settings {
    /// The address to serve at.
    #[arg(
        long,
        env = "TICKETING_STRIPE_SANDBOX_LISTEN",
        default_value = "127.0.0.1:12111",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,
    /// Keep the payments in this directory over restarts.
    #[arg(long, value_name = "DIRECTORY")]
    journal: Option<PathBuf>,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    let listener = config::listen(settings.listen).await?;
    let sandbox =
        stripe_sandbox::Sandbox::open(stripe_sandbox::Options { journal: settings.journal })?;
    let address = listener.local_addr()?;
    println!("stripe-sandbox: http://{address} (payments to look at there)");
    println!("use it with STRIPE_SECRET_KEY=sk_test_sandbox STRIPE_API_BASE=http://{address}");
    sandbox.serve(listener, shutdown.cancelled_owned()).await?;
    Ok(())
}
