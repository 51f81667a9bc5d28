//! `ticketing events consume`

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use relay::events::{Delivered, From, Group};
use tokio_util::sync::CancellationToken;

use super::handler::Handler;
use super::output::{Output, Reader};
use super::source::{self, Source};
use crate::shutdown;

/// The wait after the first failure; it doubles with each.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const DOUBLINGS_MAX: u32 = 8;

#[derive(Args, Debug)]
#[command(
    after_help = "Start it several times with the same --group: they share the events, and what \
one has not done when it dies goes to another. An event may come twice, so whatever is done for it \
has to be safe to do twice: remember its id.\n\nExamples:\n  \
ticketing events consume --group mailer                      print and take for done\n  \
ticketing events consume --group mailer -- ./send-mail.sh      run it for each, the event on its stdin\n\n\
A command that ends with another code than 0 is run again later, for this event, up to --attempts \
times; then the event is set aside in the stream TICKETING-DEAD-LETTERS."
)]
pub(crate) struct Settings {
    #[command(flatten)]
    source: Source,
    /// The name of the group, at the server.
    #[arg(long, value_name = "NAME", value_parser = name)]
    group: String,
    /// Where a group begins that is not there yet: `start`, `end`, a number or a time.
    #[arg(long, value_name = "FROM", default_value = "start", value_parser = source::place)]
    from: From,
    /// How often a command is run for an event before that is set aside.
    #[arg(long, value_name = "N", default_value_t = 5,
        value_parser = clap::value_parser!(i64).range(1..=1_000))]
    attempts: i64,
    /// What to run for each event, with its arguments; without it, events are printed.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    let (nats, wanted) = settings.source.open(settings.from)?;
    let mut group =
        Group::join(&nats, &settings.group, &wanted).await.map_err(source::explained)?;
    let handler = Handler::of(&settings.command);
    let mut output = Output::new();
    while let Some(delivered) = next(&mut group, &shutdown).await? {
        match &handler {
            None => {
                if output.print(&delivered.event)? == Reader::Gone {
                    return Ok(());
                }
                delivered.done().await?;
            }
            Some(handler) => handle(&group, handler, &delivered, settings.attempts).await?,
        }
    }
    Ok(())
}

async fn next(
    group: &mut Group,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<Delivered>> {
    tokio::select! {
        delivered = group.next() => Ok(Some(delivered.context("the events do not come any more")?)),
        () = shutdown.cancelled() => Ok(None),
    }
}

async fn handle(
    group: &Group,
    handler: &Handler,
    delivered: &Delivered,
    attempts: i64,
) -> anyhow::Result<()> {
    let Err(reason) = handler.run(delivered).await? else {
        delivered.done().await?;
        return Ok(());
    };
    let (id, kind) = (&delivered.event.id, &delivered.event.kind);
    if delivered.attempt >= attempts {
        group.give_up(delivered, &reason).await?;
        tracing::error!("{kind} {id} is set aside after {} attempts: {reason}", delivered.attempt);
        return Ok(());
    }
    let doublings = u32::try_from(delivered.attempt - 1).unwrap_or_default().min(DOUBLINGS_MAX);
    let wait = AGAIN_AFTER * 2_u32.pow(doublings);
    tracing::warn!("{kind} {id} is tried again in {wait:?}: {reason}");
    Ok(delivered.again_after(wait).await?)
}

/// As NATS allows it in a subject.
fn name(text: &str) -> Result<String, String> {
    let good = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
    if !text.is_empty() && text.chars().all(good) {
        return Ok(text.to_owned());
    }
    Err("use letters, digits, - and _".to_owned())
}
