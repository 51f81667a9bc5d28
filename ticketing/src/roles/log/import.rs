//! `ticketing log import`

mod deletions;
mod importer;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use indicatif::ProgressBar;

use super::line::Line;
use super::{progress, read};
use crate::config::LogAt;

use importer::Importer;

/// The log takes events of up to 1 MiB; in base64, with its frame, one is not longer than this.
const LINE_BYTES_MAX: u64 = 8 * 1024 * 1024;

#[derive(Args, Debug)]
#[command(
    after_help = "Streams, revisions, ids, types, metadata and data are kept; positions and \
times of writing are new, so everything that follows the log begins anew. Interrupted, run it again: \
what is there already is recognised by its id. An event that would have to take the place of another \
ends the import."
)]
pub(crate) struct Settings {
    /// What `ticketing log export` made. `-` for standard input.
    file: PathBuf,
    #[command(flatten)]
    log: LogAt,
}

pub(super) async fn run(Settings { file, log }: Settings) -> anyhow::Result<()> {
    let (input, bytes): (Box<dyn Read>, _) = if file.as_os_str() == "-" {
        (Box::new(std::io::stdin()), None)
    } else {
        let input = File::open(&file).with_context(|| {
            format!("cannot read {}; `ticketing log export` makes such a file", file.display())
        })?;
        let bytes = input.metadata()?.len();
        (Box::new(input), Some(bytes))
    };
    let mut importer = Importer::open(read::open(&log)?).await?;
    let bar = progress::bar("importing", bytes);
    let imported = import(&mut importer, BufReader::new(input), &bar).await;
    bar.finish_and_clear();
    imported?;
    println!("imported: {} events", importer.events());
    Ok(())
}

async fn import(
    importer: &mut Importer,
    mut input: impl BufRead,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let (mut text, mut number) = (String::new(), 0_u64);
    loop {
        text.clear();
        number += 1;
        let read = input.by_ref().take(LINE_BYTES_MAX).read_line(&mut text);
        let read = u64::try_from(read.with_context(|| format!("line {number}"))?)?;
        if read == 0 {
            break;
        }
        ensure!(read < LINE_BYTES_MAX, "line {number} is longer than {LINE_BYTES_MAX} bytes");
        bar.inc(read);
        if text.trim().is_empty() {
            continue;
        }
        let event = Line::parse(&text)
            .with_context(|| format!("line {number} is not an event as `log export` writes it"))?;
        importer.take(number, event).await?;
    }
    importer.finish().await
}
