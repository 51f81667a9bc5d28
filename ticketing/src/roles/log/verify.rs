//! `ticketing log verify`

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use embedded_log::{OpenError, OperationError};

use super::progress;

#[derive(Args, Debug)]
#[command(
    after_help = "Every checksum, the order of all events, the revisions of every stream and \
the index are checked. Damage is named, and the exit code is 1. End the log first, or verify a \
backup of it:\n\n  ticketing log verify /backups/monday.log"
)]
pub(crate) struct Settings {
    /// The directory of a log, or a backup file.
    #[arg(default_value = ".ticketing/log", env = "TICKETING_LOG_DIRECTORY", value_name = "PATH")]
    path: PathBuf,
}

pub(super) async fn run(Settings { path }: Settings) -> anyhow::Result<()> {
    let extent = tokio::task::spawn_blocking(move || {
        let (bar, mut show) = progress::of_events("checking");
        let checked = embedded_log::verify(&path, &mut show);
        bar.finish_and_clear();
        checked
    });
    let extent = extent.await?.map_err(|error| {
        if matches!(error, OperationError::Open(OpenError::InUse { .. })) {
            return anyhow!("{error}; end it first, or back the log up and verify the backup");
        }
        error.into()
    })?;
    println!("whole: {} events in {} streams", extent.events, extent.streams);
    Ok(())
}
