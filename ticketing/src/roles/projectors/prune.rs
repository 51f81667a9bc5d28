//! `ticketing projectors prune`

use std::process::ExitCode;

use clap::Args;

use super::places::Places;

#[derive(Args, Debug)]
pub(crate) struct Settings {
    #[command(flatten)]
    places: Places,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let (_, pool) = settings.places.open()?;
    let removed = projectors::prune(&pool).await?;
    if removed.is_empty() {
        println!("nothing is left of older versions");
    }
    for schema in removed {
        println!("{schema} is removed");
    }
    Ok(ExitCode::SUCCESS)
}
