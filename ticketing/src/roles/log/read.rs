//! `ticketing log read`

use anyhow::Context;
use clap::Args;
use eventlog::raw::{From, RawError, RawLog, Wanted};

use super::output::{Output, Reader};
use super::{Events, Printed, explained};
use crate::config::LogAt;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
ticketing log read --all --limit 10 --backwards      the last ten events, the newest first\n  \
ticketing log read --stream order-4711 --pretty      what happened to an order\n  \
ticketing log read --all --type 'Payment*' | jq .data  what was paid\n\n\
$KURRENTDB_URL says which log, such as kurrentdb://127.0.0.1:2113?tls=false")]
pub(crate) struct Settings {
    #[command(flatten)]
    log: LogAt,
    #[command(flatten)]
    events: Events,
    /// Where to begin: `start`, `end`, a revision of the stream, or with --all a position. Backwards
    /// the event at a revision is the first, that at a position is left out.
    #[arg(long, value_name = "FROM", value_parser = place)]
    from: Option<From>,
    /// From the newest to the oldest.
    #[arg(long)]
    backwards: bool,
    /// Print at most so many events.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    printed: Printed,
}

pub(super) async fn run(settings: Settings) -> anyhow::Result<()> {
    let Settings { log, events, from, backwards, limit, printed } = settings;
    let log = open(&log)?;
    let wanted = Wanted {
        source: events.source(),
        from: from.unwrap_or(if backwards { From::End } else { From::Start }),
        backwards,
        type_prefix: printed.type_prefix().map(str::to_owned),
        // The log would count events of other types too.
        limit: limit.filter(|_| printed.event_type.is_none()),
    };
    print(&log, &wanted, limit.unwrap_or(u64::MAX), &printed).await.with_context(|| {
        match &events.stream {
            Some(stream) => format!("stream {stream} cannot be read"),
            None => "the log cannot be read".to_owned(),
        }
    })
}

async fn print(log: &RawLog, wanted: &Wanted, limit: u64, printed: &Printed) -> anyhow::Result<()> {
    if limit == 0 {
        return Ok(());
    }
    let mut output = Output::new(printed.pretty);
    let mut reading = log.read(wanted).await.map_err(explained)?;
    let mut left = limit;
    while left > 0 {
        let next = reading.next().await;
        let Some(event) = next.map_err(explained)? else { break };
        if printed.wants(&event.event_type) {
            left -= 1;
            if output.print(event)? == Reader::Gone {
                return Ok(());
            }
        }
    }
    output.flush()?;
    Ok(())
}

pub(super) fn open(log: &LogAt) -> anyhow::Result<RawLog> {
    RawLog::open(&log.log_url)
        .map_err(RawError::from)
        .context("the address of the event log (--log-url, KURRENTDB_URL)")
}

/// A place as it is written on the command line.
pub(super) fn place(text: &str) -> Result<From, String> {
    match text {
        "start" => Ok(From::Start),
        "end" => Ok(From::End),
        number => {
            number.parse().map(From::At).map_err(|_| "give start, end or a number".to_owned())
        }
    }
}
