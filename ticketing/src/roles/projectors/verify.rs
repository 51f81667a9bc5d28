//! `ticketing projectors verify|diff`

use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::places::Places;
use super::shown::{self, Reading};

#[derive(Args, Debug)]
pub(crate) struct Verify {
    #[command(flatten)]
    places: Places,
    /// Only these read models.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(projectors::NAMES))]
    names: Vec<String>,
    /// Print one JSON object a read model.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Diff {
    #[command(flatten)]
    places: Places,
    /// The read model.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(projectors::NAMES))]
    name: String,
    /// Show so many rows of each table at most.
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    limit: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn verify(settings: Verify) -> anyhow::Result<ExitCode> {
    let (log, pool) = settings.places.open()?;
    let bar = Reading::new("folding the log");
    let verified =
        projectors::verify(&log, &pool, &settings.names, &mut |progress| bar.show(progress)).await;
    bar.clear();
    let verified = verified?;
    for each in &verified {
        if settings.json {
            println!("{}", serde_json::to_string(each)?);
        } else {
            shown::print(each);
        }
    }
    Ok(code(verified.iter().all(|each| each.comparison.same())))
}

pub(crate) async fn diff(settings: Diff) -> anyhow::Result<ExitCode> {
    let (log, pool) = settings.places.open()?;
    let diff = projectors::diff(&log, &pool, &settings.name, settings.limit).await?;
    if settings.json {
        println!("{}", serde_json::to_string(&diff)?);
    } else {
        println!("readers see {}; compared with {}", diff.live, diff.other);
        for table in &diff.comparison.tables {
            let verdict = if table.same { "the same" } else { "differs" };
            println!("  {:<20} {:>12} rows  {verdict}", table.table, table.rows);
        }
        shown::print_differences(&diff.comparison.differences);
    }
    Ok(code(diff.comparison.same()))
}

fn code(same: bool) -> ExitCode {
    if same { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
