//! `ticketing log restore`

use std::path::PathBuf;

use clap::Args;

use super::{Directory, progress};

#[derive(Args, Debug)]
#[command(after_help = "Positions, ids, revisions and times are those of the log that was backed \
up, so whoever followed that log goes on with this one.\n\n  \
ticketing log restore /backups/monday.log --directory /var/lib/ticketing/log\n  \
ticketing log serve --directory /var/lib/ticketing/log")]
pub(crate) struct Settings {
    /// The backup.
    file: PathBuf,
    #[command(flatten)]
    directory: Directory,
}

pub(super) async fn run(Settings { file, directory }: Settings) -> anyhow::Result<()> {
    let extent = tokio::task::spawn_blocking(move || {
        let (bar, mut show) = progress::of_events("restoring");
        let restored = embedded_log::restore(&file, &directory.directory, &mut show);
        bar.finish_and_clear();
        restored
    });
    let extent = extent.await??;
    println!("restored: {} events in {} streams", extent.events, extent.streams);
    Ok(())
}
