//! All events of one stream, a page at a time.

use domain::event::Revision;
use domain::{DomainEvent, Recorded};
use eventlog::{EventLog, LogError};

const PAGE_EVENTS_MAX: usize = 1_000;

pub(crate) struct Histories<'a> {
    log: &'a EventLog,
    stream: &'a str,
    /// Where the next page begins; none after the last.
    next: Option<Revision>,
    error: Option<LogError>,
}

impl<'a> Histories<'a> {
    pub(crate) fn new(log: &'a EventLog, stream: &'a str, from: Revision) -> Self {
        Self { log, stream, next: Some(from), error: None }
    }

    /// None at the end of the stream.
    ///
    /// # Errors
    /// Of the log; or an event that cannot be read, after all that come before it.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Recorded<DomainEvent>>>, LogError> {
        let Some(from) = self.next else {
            return self.error.take().map_or(Ok(None), Err);
        };
        let history = self.log.history(self.stream, from, PAGE_EVENTS_MAX).await?;
        let full = history.events.len() == PAGE_EVENTS_MAX;
        let last = history.events.last().filter(|_| full);
        self.next = last.map(|record| Revision(record.revision.0 + 1));
        self.error = history.error;
        if history.events.is_empty() {
            return self.error.take().map_or(Ok(None), Err);
        }
        Ok(Some(history.events))
    }
}
