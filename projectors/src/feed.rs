//! Reading the log once, in large pages, for several sets of tables at a time.

use std::time::Duration;

use domain::{DomainEvent, Position, Recorded};
use eventlog::parking::Unfit;
use eventlog::{Deliveries, Delivery, EventLog, LogError};
use futures::future::try_join_all;
use tokio::sync::mpsc;

use crate::Error;

/// The most events in a page: it is held in memory, twice while the next one is read.
const PAGE_EVENTS_MAX: usize = 25_000;
/// How often a log that is away is tried, and how long after.
const TRIES_MAX: u32 = 30;
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Takes pages of events in the order of the log.
pub(crate) trait Sink: Send {
    /// It goes on after this.
    fn position(&self) -> Option<Position>;

    /// It wants nothing behind this.
    fn until(&self) -> Position;

    /// Takes the events up to `end`; all of them are new to it.
    fn take(
        &mut self,
        events: &[Recorded<DomainEvent>],
        unreadable: Option<&Unfit>,
        end: Position,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// How far a reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub position: Position,
    pub until: Position,
    /// How many have been read since it began.
    pub events: u64,
}

/// Brings all sinks to where they want to come.
pub(crate) async fn feed<S: Sink>(
    log: &EventLog,
    sinks: &mut [S],
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), Error> {
    let behind = |sink: &&S| sink.position() < Some(sink.until());
    let Some(until) = sinks.iter().filter(behind).map(Sink::until).max() else { return Ok(()) };
    let after = sinks.iter().filter(behind).map(Sink::position).min().flatten();
    let (mut pages, empty) = read(log, after, until);
    let mut events = 0;
    while let Some(page) = pages.recv().await {
        let mut page = page?;
        events += u64::try_from(page.events.len()).unwrap_or(u64::MAX);
        try_join_all(sinks.iter_mut().map(|sink| hand_over(sink, &page))).await?;
        progress(Progress { position: page.end, until, events });
        page.events.clear();
        // It has room for one; who does not come for it makes a new one.
        drop(empty.try_send(page.events));
    }
    Ok(())
}

/// What of a page is new to a sink and wanted by it.
async fn hand_over<S: Sink>(sink: &mut S, page: &Page) -> Result<(), Error> {
    let (after, until) = (sink.position(), sink.until());
    let wanted = |position: Position| Some(position) > after && position <= until;
    let end = page.end.min(until);
    if !wanted(end) {
        return Ok(());
    }
    let first = page.events.partition_point(|record| Some(record.position) <= after);
    let last = page.events.partition_point(|record| record.position <= until);
    let unreadable = page.unreadable.as_ref().filter(|unfit| wanted(unfit.position));
    sink.take(page.events.get(first..last).unwrap_or_default(), unreadable, end).await
}

struct Page {
    events: Vec<Recorded<DomainEvent>>,
    /// Follows the events, if there is one.
    unreadable: Option<Unfit>,
    /// Everything up to here is in this page or was in one before.
    end: Position,
}

type Pages = mpsc::Receiver<Result<Page, LogError>>;
/// Where a page that was taken is written anew: a fresh one costs a fault for every 4 KiB of it.
type Empty = mpsc::Sender<Vec<Recorded<DomainEvent>>>;

/// Reads on while a page is being taken. The channel ends when `until` is reached.
fn read(log: &EventLog, after: Option<Position>, until: Position) -> (Pages, Empty) {
    let (sender, receiver) = mpsc::channel(1);
    let (give_back, empty) = mpsc::channel(1);
    let mut reading = Reading { log: log.clone(), at: after, until, tries: 0, sender, empty };
    tokio::spawn(async move { while reading.at < Some(reading.until) && reading.once().await {} });
    (receiver, give_back)
}

struct Reading {
    log: EventLog,
    at: Option<Position>,
    until: Position,
    /// In a row without anything read.
    tries: u32,
    sender: mpsc::Sender<Result<Page, LogError>>,
    empty: mpsc::Receiver<Vec<Recorded<DomainEvent>>>,
}

impl Reading {
    /// One subscription, from where the last one ended. False: nobody wants any more.
    async fn once(&mut self) -> bool {
        let mut deliveries = self.log.deliveries(self.at);
        loop {
            // Not before the last page has been taken: no more than two are held.
            let Ok(room) = self.sender.clone().reserve_owned().await else { return false };
            let (mut page, error) = self.page(&mut deliveries).await;
            page.unreadable = error.as_ref().and_then(LogError::unfit);
            let unreadable = page.unreadable.is_some();
            if let Some(unfit) = &page.unreadable {
                page.end = unfit.position;
            }
            if Some(page.end) > self.at {
                self.at = Some(page.end);
                self.tries = 0;
                room.send(Ok(page));
            } else {
                drop(room);
            }
            match error {
                None if self.at < Some(self.until) => {}
                None => return true,
                Some(_) if unreadable => return true,
                Some(error) => return self.pause(error).await,
            }
        }
    }

    async fn page(&mut self, deliveries: &mut Deliveries) -> (Page, Option<LogError>) {
        let end = self.at.unwrap_or_default();
        let events = self.empty.try_recv().unwrap_or_default();
        let mut page = Page { events, unreadable: None, end };
        while page.events.len() < PAGE_EVENTS_MAX && page.end < self.until {
            match deliveries.next().await {
                Ok(Delivery::Event(record)) => {
                    page.end = record.position.min(self.until);
                    if record.position <= self.until {
                        page.events.push(record);
                    }
                }
                Ok(Delivery::Checkpoint(position)) => page.end = position.min(self.until),
                // All there was has been delivered, so nothing lies between here and `until`.
                Ok(Delivery::CaughtUp) => page.end = self.until,
                Err(error) => return (page, Some(error)),
            }
        }
        (page, None)
    }

    async fn pause(&mut self, error: LogError) -> bool {
        self.tries += 1;
        if error.is_unavailable() && self.tries < TRIES_MAX {
            tracing::warn!(error = error.to_string(), "the log is away");
            tokio::time::sleep(TRY_AGAIN).await;
            return !self.sender.is_closed();
        }
        let _nobody_listens = self.sender.send(Err(error)).await;
        false
    }
}
