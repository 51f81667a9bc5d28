//! Events on standard output.

use std::io::{BufWriter, ErrorKind, Stdout, Write};

use eventlog::raw::RawEvent;

use super::line::Line;

pub(super) struct Output {
    out: BufWriter<Stdout>,
    pretty: bool,
}

/// Whether anybody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    Reads,
    /// As `head` does when it has seen enough.
    Gone,
}

impl Output {
    pub(super) fn new(pretty: bool) -> Self {
        Self { out: BufWriter::new(std::io::stdout()), pretty }
    }

    pub(super) fn print(&mut self, event: RawEvent) -> anyhow::Result<Reader> {
        let line = Line::of(event);
        let text = if self.pretty { line.pretty()? } else { line.compact()? };
        reader(writeln!(self.out, "{text}"))
    }

    pub(super) fn flush(&mut self) -> anyhow::Result<Reader> {
        reader(self.out.flush())
    }
}

fn reader(written: std::io::Result<()>) -> anyhow::Result<Reader> {
    match written {
        Ok(()) => Ok(Reader::Reads),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error.into()),
    }
}
