//! `ticketing log export`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use eventlog::raw::{From, RawLog, Source, Wanted};
use indicatif::ProgressBar;

use super::line::Line;
use super::{explained, is_the_log_s_own, progress, read};
use crate::config::LogAt;

/// Between two moves of the bar.
const SHOW_EVERY_EVENTS: u64 = 1_000;

#[derive(Args, Debug)]
#[command(
    after_help = "One JSON object a line, in the order of the log, up to its end at the time. \
The log's own streams ($stats and the like) are left out; metadata of streams is not.\n\n\
To move a log:\n  \
ticketing log export all.jsonl --log-url kurrentdb://old:2113\n  \
ticketing log import all.jsonl --log-url kurrentdb://new:2113"
)]
pub(crate) struct Settings {
    /// The file to make; it must not exist. `-` for standard output.
    file: PathBuf,
    #[command(flatten)]
    log: LogAt,
}

pub(super) async fn run(Settings { file, log }: Settings) -> anyhow::Result<()> {
    let log = read::open(&log)?;
    if file.as_os_str() == "-" {
        let events = write(&log, &mut std::io::stdout().lock()).await?;
        eprintln!("exported: {events} events");
        return Ok(());
    }
    ensure!(
        !file.try_exists()?,
        "{} exists already; name another file, or remove it",
        file.display()
    );
    let partial = partial(&file);
    let mut out = File::create(&partial)
        .map(BufWriter::new)
        .with_context(|| format!("cannot write {}", partial.display()))?;
    let written = write(&log, &mut out).await;
    let written = written.and_then(|events| {
        out.into_inner()?.sync_all()?;
        std::fs::rename(&partial, &file)?;
        Ok(events)
    });
    let events = written.inspect_err(|_| {
        // The error that matters is the one at hand.
        let _ = std::fs::remove_file(&partial);
    })?;
    println!("exported: {events} events to {}", file.display());
    Ok(())
}

/// What the file is called until it is complete.
fn partial(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

async fn write(log: &RawLog, out: &mut impl Write) -> anyhow::Result<u64> {
    let wanted = |from, backwards, limit| Wanted {
        source: Source::All,
        from,
        backwards,
        type_prefix: None,
        limit,
    };
    let mut newest = log.read(&wanted(From::End, true, Some(1))).await.map_err(explained)?;
    let Some(end) = newest.next().await.map_err(explained)? else { return Ok(0) };
    let bar = progress::bar("exporting", Some(end.position));
    let exported = copy(log, &wanted(From::Start, false, None), end.position, out, &bar).await;
    bar.finish_and_clear();
    exported
}

async fn copy(
    log: &RawLog,
    wanted: &Wanted,
    end: u64,
    out: &mut impl Write,
    bar: &ProgressBar,
) -> anyhow::Result<u64> {
    let mut reading = log.read(wanted).await.map_err(explained)?;
    let (mut events, mut seen) = (0, 0_u64);
    // Another server may go on to what is written meanwhile.
    while let Some(event) = reading.next().await.map_err(explained)?.filter(|it| it.position <= end)
    {
        seen += 1;
        if seen.is_multiple_of(SHOW_EVERY_EVENTS) {
            bar.set_position(event.position);
        }
        if !is_the_log_s_own(&event.stream) {
            events += 1;
            writeln!(out, "{}", Line::of(event).compact()?)?;
        }
    }
    out.flush()?;
    Ok(events)
}
