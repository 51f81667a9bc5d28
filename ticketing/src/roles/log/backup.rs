//! `ticketing log backup`

use std::path::PathBuf;

use clap::Args;

use super::{Directory, progress};

#[derive(Args, Debug)]
#[command(
    after_help = "The log may be served meanwhile: the file holds everything up to the moment \
the backup began. It appears when it is complete.\n\n  \
ticketing log backup --directory /var/lib/ticketing/log /backups/monday.log\n  \
ticketing log verify /backups/monday.log"
)]
pub(crate) struct Settings {
    /// The file to make; it must not exist.
    file: PathBuf,
    #[command(flatten)]
    directory: Directory,
}

pub(super) async fn run(Settings { file, directory }: Settings) -> anyhow::Result<()> {
    let extent = tokio::task::spawn_blocking(move || {
        let (bar, mut show) = progress::of_events("copying");
        let copied = embedded_log::backup(&directory.directory, &file, &mut show);
        bar.finish_and_clear();
        copied
    });
    let extent = extent.await??;
    println!("backed up: {} events in {} streams", extent.events, extent.streams);
    Ok(())
}
