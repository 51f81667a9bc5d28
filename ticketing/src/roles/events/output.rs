//! Events on standard output, a line each.

use std::io::{ErrorKind, Stdout, Write};

use relay::events::Event;

pub(super) struct Output(Stdout);

/// Whether anybody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    Reads,
    /// As `head` does when it has seen enough.
    Gone,
}

impl Output {
    pub(super) fn new() -> Self {
        Self(std::io::stdout())
    }

    /// Returns when the line is out of our hands.
    pub(super) fn print(&mut self, event: &Event) -> anyhow::Result<Reader> {
        let line = serde_json::to_string(event)?;
        match writeln!(self.0, "{line}").and_then(|()| self.0.flush()) {
            Ok(()) => Ok(Reader::Reads),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(error) => Err(error.into()),
        }
    }
}
