//! `ticketing log tail`

use anyhow::Context;
use clap::Args;
use eventlog::raw::From;

use super::output::{Output, Reader};
use super::{Events, Printed, explained, read};
use crate::config::LogAt;
use crate::shutdown;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
ticketing log tail --all --type 'Order*'             orders, as they are made\n  \
ticketing log tail --stream ticket-42 --from start   a ticket's past, then its future")]
pub(crate) struct Settings {
    #[command(flatten)]
    log: LogAt,
    #[command(flatten)]
    events: Events,
    /// Begin after this: `start`, `end`, a revision of the stream, or with --all a position.
    #[arg(long, value_name = "FROM", default_value = "end", value_parser = read::place)]
    from: From,
    #[command(flatten)]
    printed: Printed,
}

pub(super) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        printed = print(settings) => printed.context("the log cannot be followed"),
    }
}

async fn print(settings: Settings) -> anyhow::Result<()> {
    let Settings { log, events, from, printed } = settings;
    let log = read::open(&log)?;
    let (source, types) = (events.source(), printed.type_prefix());
    let mut feed = log.subscribe(&source, from, types).await.map_err(explained)?;
    let mut output = Output::new(printed.pretty);
    loop {
        let event = feed.next().await.map_err(explained)?;
        if printed.wants(&event.event_type)
            && (output.print(event)? == Reader::Gone || output.flush()? == Reader::Gone)
        {
            return Ok(());
        }
    }
}
