//! `ticketing vault …`: the keys that personal data is sealed under.

mod rewrap;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Wrap every person's key anew, under the newest of the keys in TICKETING_VAULT_KEY.
    Rewrap(rewrap::Settings),
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Rewrap(settings) => rewrap::run(settings).await,
    }
}
