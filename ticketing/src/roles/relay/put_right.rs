//! `ticketing relay resume|rewind|grow`

use anyhow::Context;
use clap::Args;
use domain::Position;
use relay::desk::Next;
use relay::{PARTITIONS_MAX, Partition, STREAM};

use super::places::Places;

#[derive(Args, Debug)]
#[command(
    after_help = "A stream that is gone or empty is filled from the log when a relay starts; \
one that relays have made is gone on with behind its last message. Look at `ticketing relay status` \
first: it says why the relay halted, and what else could be done."
)]
pub(crate) struct Resume {
    #[command(flatten)]
    places: Places,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
ticketing relay rewind --to start --remove-stream       every event once more, into a new stream\n  \
ticketing relay rewind --to 120-100 --remove-stream     only what is after this position\n\n\
A stream cannot be rewound with what it holds in it: events would be there twice. Consumers keep \
nothing of a removed stream; they tell repeats by ce-id.")]
pub(crate) struct Rewind {
    #[command(flatten)]
    places: Places,
    /// `start`, or a position as `status` and the header Ticketing-Position show it.
    #[arg(long, value_name = "POSITION", value_parser = place)]
    to: Place,
    /// Remove the stream with all its messages and consumers first.
    #[arg(long)]
    remove_stream: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "How to go to more partitions without losing order:\n  \
1. ticketing relay grow --partitions 4\n  \
2. Start relays with --partitions 4 beside those that run. They fill new streams, TICKETING-4-0 to \
TICKETING-4-3, from the beginning of the log; `ticketing relay status` shows when they have caught up.\n  \
3. Move each consumer: end it, note the Ticketing-Position of the last event that it has handled, \
and start it on the new streams; it skips what is not after that position.\n  \
4. End the old relays and remove the old stream.")]
pub(crate) struct Grow {
    #[command(flatten)]
    places: Places,
    /// The number to allow.
    #[arg(long, value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(1..=i64::from(PARTITIONS_MAX)))]
    partitions: u16,
}

/// A place in the log.
#[derive(Clone, Copy, Debug)]
struct Place(Option<Position>);

pub(super) async fn resume(settings: Resume) -> anyhow::Result<()> {
    let desk = settings.places.open()?;
    for partition in settings.places.partitions(&desk).await? {
        let next = desk.resume(&partition).await.with_context(|| partition.stream())?;
        tell(&partition, next);
    }
    Ok(())
}

pub(super) async fn rewind(settings: Rewind) -> anyhow::Result<()> {
    let desk = settings.places.open()?;
    let Place(to) = settings.to;
    for partition in settings.places.partitions(&desk).await? {
        let next = desk.rewind(&partition, to, settings.remove_stream).await;
        tell(&partition, next.with_context(|| partition.stream())?);
    }
    Ok(())
}

pub(super) async fn grow(settings: Grow) -> anyhow::Result<()> {
    let desk = settings.places.open()?;
    desk.grow(STREAM, settings.partitions).await?;
    let names: Vec<_> =
        Partition::all(STREAM, settings.partitions).iter().map(Partition::stream).collect();
    println!("relays may now publish to {}:", names.join(", "));
    println!("start them with --partitions {}, beside those that run", settings.partitions);
    Ok(())
}

fn tell(partition: &Partition, next: Next) {
    let stream = partition.stream();
    let from = |after: Option<Position>| {
        after.map_or_else(|| "the beginning of the log".to_owned(), |it| format!("position {it}"))
    };
    match next {
        Next::Fill(after) => println!("{stream}: a relay will fill it from {}", from(after)),
        Next::GoOn { sequence, after } => {
            println!("{stream}: a relay will go on after message {sequence}, {}", from(after));
        }
    }
    println!("  start the relays again");
}

fn place(text: &str) -> Result<Place, String> {
    if text == "start" {
        return Ok(Place(None));
    }
    let position = text.parse().map_err(|_| "give start, or a position such as 120-100".to_owned());
    position.map(|position| Place(Some(position)))
}
