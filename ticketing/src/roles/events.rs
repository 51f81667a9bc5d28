//! `ticketing events`: the public events, from NATS JetStream.

mod consume;
mod handler;
mod output;
mod source;

use clap::{Args, Subcommand};
use futures::StreamExt;
use relay::events::Events;

use crate::shutdown;
use output::{Output, Reader};
use source::Source;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print events as they are published, until Ctrl-C.
    Tail(Tail),
    /// Print the events that are there, from a point on, and end.
    Replay(Replay),
    /// Work through events as one of a group: each goes to one of them, until it is done.
    Consume(consume::Settings),
    /// Print what is promised about the events: the AsyncAPI document.
    Contract,
}

#[derive(Args, Debug)]
#[command(after_help = "Each event is one line of JSON, as CloudEvents writes it. Examples:\n  \
ticketing events tail                                     all, as they happen\n  \
ticketing events tail --subject 'ticketing.ticket.*.sold'   one kind\n  \
ticketing events tail --from start                        the past first, then the future")]
pub(crate) struct Tail {
    #[command(flatten)]
    source: Source,
    /// Begin with: `start`, `end`, the number of a message, or a time such as 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "FROM", default_value = "end", value_parser = source::place)]
    from: relay::events::From,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
ticketing events replay | jq -r .type | sort | uniq -c      how many of each kind\n  \
ticketing events replay --subject 'ticketing.order.ORDER.>'   what happened to an order\n  \
ticketing events replay --from 2026-03-01T12:00:00Z         what was published since\n\n\
Nothing is noted at the server: a replay takes nothing from consumers.")]
pub(crate) struct Replay {
    #[command(flatten)]
    source: Source,
    /// Begin with: `start`, the number of a message, or a time such as 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "FROM", default_value = "start", value_parser = source::place)]
    from: relay::events::From,
    /// Print at most so many.
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    limit: usize,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Tail(Tail { source, from }) => {
            let (nats, wanted) = source.open(from)?;
            let events = relay::events::tail(&nats, &wanted).await.map_err(source::explained)?;
            until_end(events).await
        }
        Command::Replay(Replay { source, from, limit }) => {
            let (nats, wanted) = source.open(from)?;
            let events = relay::events::replay(&nats, &wanted).await.map_err(source::explained)?;
            until_end(events.take(limit).boxed()).await
        }
        Command::Consume(settings) => consume::run(settings).await,
        Command::Contract => {
            print!("{}", relay::ASYNCAPI);
            Ok(())
        }
    }
}

/// Until there are no more, nobody reads any more, or Ctrl-C.
async fn until_end(mut events: Events) -> anyhow::Result<()> {
    let (shutdown, mut output) = (shutdown::on_signal()?, Output::new());
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = shutdown.cancelled() => return Ok(()),
        };
        let Some(event) = event else { return Ok(()) };
        if output.print(&event?)? == Reader::Gone {
            return Ok(());
        }
    }
}
