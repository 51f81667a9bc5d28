//! `ticketing projectors rebuild|rollback`

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use clap::builder::PossibleValuesParser;
use projectors::{Options, Stage};

use super::places::Places;
use super::shown::{self, Reading};

#[derive(Args, Debug)]
#[group(id = "which", required = true, multiple = true, args = ["names", "all", "aggregate"])]
pub(crate) struct Rebuild {
    #[command(flatten)]
    places: Places,
    /// The read models.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(projectors::NAMES))]
    names: Vec<String>,
    /// All read models; the log is read once for all of them.
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Make only the rows of one aggregate anew, where they are: by its stream, such as
    /// ticket-01890a5d-ac96-774b-bcce-b302099a8057.
    #[arg(long, value_name = "STREAM", conflicts_with_all = ["keep_old", "no_switch"])]
    aggregate: Option<String>,
    /// Keep the tables that readers leave, so that `rollback` can show them again.
    #[arg(long)]
    keep_old: bool,
    /// Fill and prove only, to look at `diff` first; the next rebuild goes on from there.
    #[arg(long, conflicts_with = "keep_old")]
    no_switch: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Rollback {
    #[command(flatten)]
    places: Places,
    /// The read model.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(projectors::NAMES))]
    name: String,
}

pub(crate) async fn rebuild(settings: Rebuild) -> anyhow::Result<ExitCode> {
    let (log, pool) = settings.places.open()?;
    if let Some(stream) = &settings.aggregate {
        for repaired in projectors::repair(&log, &pool, &settings.names, stream).await? {
            println!(
                "{}: rows of {stream} made anew from {} events",
                repaired.name, repaired.events
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    projectors::install(&pool).await?;
    let options = Options { keep_old: settings.keep_old, unswitched: settings.no_switch };
    let mut bar = Reading::new("filling");
    let rebuilt = projectors::rebuild(&log, &pool, &settings.names, options, &mut |stage| {
        show(&mut bar, stage)
    })
    .await;
    bar.clear();
    let rebuilt = match rebuilt {
        Ok(rebuilt) => rebuilt,
        Err(projectors::Error::Unproven(off)) => {
            shown::print(&off);
            bail!("the new tables are not what the log says; readers still see the old ones");
        }
        Err(error) => return Err(error.into()),
    };
    for each in &rebuilt {
        shown::print(&each.proof);
        match each.switched_at {
            Some(position) => println!("  readers have come over, at {position}"),
            None if settings.no_switch => {
                println!(
                    "  not shown yet: look at `ticketing projectors diff {}`, then rebuild again",
                    each.proof.name
                );
            }
            None => println!("  readers have come over; the log is empty"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn rollback(settings: Rollback) -> anyhow::Result<ExitCode> {
    let (log, pool) = settings.places.open()?;
    let mut bar = Reading::new("catching up");
    let outcome =
        projectors::rollback(&log, &pool, &settings.name, &mut |stage| show(&mut bar, stage)).await;
    bar.clear();
    let position = outcome?.map_or_else(String::new, |position| format!(", at {position}"));
    println!("{}: readers see the former tables again{position}", settings.name);
    Ok(ExitCode::SUCCESS)
}

fn show(bar: &mut Reading, stage: Stage) {
    match stage {
        Stage::Filling(progress) => {
            bar.is_now("filling");
            bar.show(progress);
        }
        Stage::Indexing => bar.is_now("making indexes"),
        Stage::Proving(progress) => {
            bar.is_now("proving");
            bar.show(progress);
        }
        Stage::Switching => bar.is_now("changing over"),
    }
}
