//! `ticketing projectors park`

use std::process::ExitCode;

use anyhow::bail;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use eventlog::parking::Parked;
use projectors::parked::{self, LetIn, Way};

use super::places::Places;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what is parked, and why.
    List(List),
    /// Try the event again, and then those that wait behind it: after the program has been mended.
    Retry(Which),
    /// Leave the event out, and take those that wait behind it.
    Skip(Which),
}

#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    places: Places,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[group(id = "parked", required = true, multiple = true, args = ["stream", "every"])]
pub(crate) struct Which {
    #[command(flatten)]
    places: Places,
    /// The aggregate, by its stream as `list` shows it.
    #[arg(value_name = "STREAM", conflicts_with = "every")]
    stream: Option<String>,
    /// All that are parked.
    #[arg(long)]
    every: bool,
    /// Only in this read model.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(projectors::NAMES))]
    name: Option<String>,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(settings) => list(settings).await,
        Command::Retry(which) => let_in(which, Way::Retry).await,
        Command::Skip(which) => let_in(which, Way::Skip).await,
    }
}

async fn list(settings: List) -> anyhow::Result<ExitCode> {
    let (_, pool) = settings.places.open()?;
    let parked = parked::list(&pool).await?;
    for each in &parked {
        if settings.json {
            println!("{}", serde_json::to_string(each)?);
        } else {
            show(each);
        }
    }
    if !settings.json {
        if parked.is_empty() {
            println!("nothing is parked");
        } else {
            println!("\ntry again:  ticketing projectors park retry STREAM, or --every");
            println!("leave out:  ticketing projectors park skip STREAM");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(parked: &Parked) {
    let Parked { follower, stream, revision, event_type, position, error, waiting, .. } = parked;
    let since = parked.parked_at.format("%Y-%m-%d %H:%M:%SZ");
    println!("{follower}  {stream}  since {since}, {waiting} events wait behind it");
    println!("    {event_type} (revision {revision}, position {position}): {error}");
}

async fn let_in(which: Which, way: Way) -> anyhow::Result<ExitCode> {
    let (log, pool) = which.places.open()?;
    let meant = |parked: &Parked| {
        let of = which.name.as_ref().map(|name| format!("projector/{name}/"));
        which.stream.as_ref().is_none_or(|stream| *stream == parked.stream)
            && of.is_none_or(|of| parked.follower.starts_with(&of))
    };
    let all = parked::list(&pool).await?;
    let mut still = 0_u32;
    let mut meant = all.iter().filter(|parked| meant(parked)).peekable();
    match &which.stream {
        Some(stream) if meant.peek().is_none() => bail!("{stream} is not parked"),
        None if meant.peek().is_none() => println!("nothing is parked"),
        Some(_) | None => {}
    }
    for parked in meant {
        match parked::let_in(&log, &pool, parked, way).await? {
            LetIn::Open => println!("{} {}: is taken again", parked.follower, parked.stream),
            LetIn::Still(unfit) => {
                still += 1;
                println!(
                    "{} {}: stays parked, at {} (revision {}): {}",
                    parked.follower, unfit.stream, unfit.event_type, unfit.revision, unfit.error
                );
            }
        }
    }
    Ok(if still == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
