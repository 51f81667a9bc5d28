//! `ticketing log`: the embedded log and what is done to its files; and, with any log, looking into
//! it and moving it.

mod access;
mod backup;
mod export;
mod import;
mod line;
mod output;
pub(crate) mod progress;
mod read;
mod restore;
mod serve;
mod stats;
mod tail;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use eventlog::raw::{RawError, Source};

pub(crate) use access::local as local_connection_string;
pub(crate) use serve::{open, serve_on};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the embedded event log over KurrentDB's gRPC protocol.
    Serve(serve::Settings),
    /// Check every event of a log that is not served, or of a backup file.
    Verify(verify::Settings),
    /// Copy a log, served or not, into one file.
    Backup(backup::Settings),
    /// Make a log of a backup file.
    Restore(restore::Settings),
    /// Tell how large a log is, served or not.
    Stats(stats::Settings),
    /// Print events of any log, one JSON object a line.
    Read(read::Settings),
    /// Print events of any log as they are written, until Ctrl-C.
    Tail(tail::Settings),
    /// Write all events of any log to a file, to be imported into another.
    Export(export::Settings),
    /// Append the events of an export to any log; run again, it goes on where it stopped.
    Import(import::Settings),
}

/// Where the files of an embedded log are.
#[derive(Args, Clone, Debug)]
struct Directory {
    /// Where the events are kept.
    #[arg(
        long,
        env = "TICKETING_LOG_DIRECTORY",
        default_value = ".ticketing/log",
        value_name = "DIRECTORY"
    )]
    directory: PathBuf,
}

/// Which events are read.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
struct Events {
    /// The events of this stream.
    #[arg(long, value_name = "STREAM")]
    stream: Option<String>,
    /// All events, in the order they were written.
    #[arg(long)]
    all: bool,
}

/// Which types of events are printed, and how.
#[derive(Args, Clone, Debug)]
struct Printed {
    /// Only events of this type; with a * at the end, of all types that begin so.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Print each event over several lines, for people.
    #[arg(long)]
    pretty: bool,
}

impl Events {
    fn source(&self) -> Source {
        self.stream.clone().map_or(Source::All, Source::Stream)
    }
}

impl Printed {
    /// What the wanted types begin with.
    fn type_prefix(&self) -> Option<&str> {
        self.event_type.as_deref().map(|it| it.strip_suffix('*').unwrap_or(it))
    }

    fn wants(&self, event_type: &str) -> bool {
        match self.event_type.as_deref().map(|it| (it, it.strip_suffix('*'))) {
            None => true,
            Some((_, Some(prefix))) => event_type.starts_with(prefix),
            Some((exact, None)) => event_type == exact,
        }
    }
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(settings) => serve::run(settings).await,
        Command::Verify(settings) => verify::run(settings).await,
        Command::Backup(settings) => backup::run(settings).await,
        Command::Restore(settings) => restore::run(settings).await,
        Command::Stats(settings) => stats::run(settings).await,
        Command::Read(settings) => read::run(settings).await,
        Command::Tail(settings) => tail::run(settings).await,
        Command::Export(settings) => export::run(settings).await,
        Command::Import(settings) => import::run(settings).await,
    }
}

/// Whether a stream is `$x`, or `$$$x`, which describes it; `$$x` describes a stream of somebody's.
fn is_the_log_s_own(stream: &str) -> bool {
    stream.strip_prefix("$$").unwrap_or(stream).starts_with('$')
}

/// An error of the log with what to do about it.
fn explained(error: RawError) -> anyhow::Error {
    match error {
        RawError::Log(error) if error.is_unavailable() => anyhow::anyhow!(
            "{error}; is it running where --log-url (KURRENTDB_URL) says, with TLS (tls=true) or \
             without (tls=false)? `ticketing log serve` starts one"
        ),
        RawError::NoStream | RawError::Deleted | RawError::Conflict | RawError::Log(_) => {
            error.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_wanted_exactly_or_by_how_it_begins() {
        let wants = |wanted: Option<&str>, event_type: &str| {
            let printed = Printed { event_type: wanted.map(str::to_owned), pretty: false };
            printed.wants(event_type)
        };
        assert!(wants(None, "OrderPlaced.v1"));
        assert!(wants(Some("OrderPlaced.v1"), "OrderPlaced.v1"));
        assert!(!wants(Some("OrderPlaced.v1"), "OrderPlaced.v10"));
        assert!(wants(Some("Order*"), "OrderPlaced.v10"));
        assert!(!wants(Some("Order*"), "TicketListed.v1"));
    }
}
