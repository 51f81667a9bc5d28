//! The appends of an import: many on their way at a time, each with its exact revision.

use std::collections::BTreeMap;

use anyhow::{anyhow, bail};
use eventlog::raw::{Batch, From, RawError, RawEvent, RawLog, Source, TOMBSTONE_REVISION, Wanted};
use futures::future::join_all;

use super::deletions::Deletions;
use crate::roles::log::{explained, is_the_log_s_own};

/// Events of one append; they follow one another in the file and in their stream.
const CHUNK_EVENTS_MAX: usize = 100;
/// An append holds at most so much, and one event more.
const CHUNK_BYTES_MAX: usize = 512 * 1024;
/// Appends on their way at a time.
const WINDOW_CHUNKS_MAX: usize = 256;
/// They hold at most so much, and one append more.
const WINDOW_BYTES_MAX: usize = 8 * 1024 * 1024;

pub(super) struct Importer {
    log: RawLog,
    /// The call that appends share, while it works.
    batch: Option<Batch>,
    window: Vec<Chunk>,
    deletions: Deletions,
    /// Where an earlier import stopped: stream and revision of the last event in the target. No
    /// append goes across it, as one must be all new or all there already.
    last_there: Option<(String, u64)>,
    /// Streams the target has ended for ever while the file had not, with the line of their first
    /// event that was left out.
    ended: BTreeMap<String, u64>,
    events: u64,
}

/// One append.
struct Chunk {
    stream: String,
    /// The line and the revision of its first event.
    line: u64,
    first: u64,
    events: Vec<RawEvent>,
    bytes: usize,
}

impl Importer {
    pub(super) async fn open(log: RawLog) -> anyhow::Result<Self> {
        let last_there = last_event(&log).await.map_err(explained)?;
        Ok(Self {
            log,
            batch: None,
            window: Vec::new(),
            deletions: Deletions::default(),
            last_there,
            ended: BTreeMap::new(),
            events: 0,
        })
    }

    /// How many events are in the target, those included that had been there before.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    pub(super) async fn take(&mut self, line: u64, event: RawEvent) -> anyhow::Result<()> {
        self.events += 1;
        let last_there = self
            .last_there
            .take_if(|(stream, revision)| *stream == event.stream && *revision == event.revision);
        self.add(line, event).await?;
        if last_there.is_some() { self.flush().await } else { Ok(()) }
    }

    async fn add(&mut self, line: u64, event: RawEvent) -> anyhow::Result<()> {
        if !self.deletions.must_append(&event) {
            return Ok(());
        }
        if event.revision == TOMBSTONE_REVISION {
            self.flush().await?;
            self.ended.remove(&event.stream);
            return match self.log.tombstone(&event.stream).await {
                Ok(()) | Err(RawError::Deleted) => Ok(()),
                Err(error) => Err(stopped(line, error)),
            };
        }
        let bytes = event.data.len() + event.metadata.len() + event.event_type.len();
        if let Some(last) = self.window.last_mut()
            && last.goes_on_with(&event)
        {
            last.bytes += bytes;
            last.events.push(event);
            return Ok(());
        }
        let held: usize = self.window.iter().map(|chunk| chunk.bytes).sum();
        if self.window.len() >= WINDOW_CHUNKS_MAX || held >= WINDOW_BYTES_MAX {
            self.flush().await?;
        }
        let (stream, first) = (event.stream.clone(), event.revision);
        self.window.push(Chunk { stream, line, first, events: vec![event], bytes });
        Ok(())
    }

    /// Appends what is left.
    pub(super) async fn finish(&mut self) -> anyhow::Result<()> {
        self.flush().await?;
        if let Some((stream, line)) = self.ended.first_key_value() {
            bail!(
                "line {line}: stream {stream} was deleted for ever in the target, but not in the \
                 file; import into a log where it was not"
            );
        }
        Ok(())
    }

    async fn flush(&mut self) -> anyhow::Result<()> {
        let window = std::mem::take(&mut self.window);
        let Some(first) = window.first() else { return Ok(()) };
        if self.batch.is_none() {
            self.batch = self.log.batch().await.map_err(|error| stopped(first.line, error))?;
        }
        let unclear = match &self.batch {
            None => window,
            Some(batch) => {
                let appends =
                    window.iter().map(|it| batch.append(&it.stream, it.first, &it.events));
                let outcomes = join_all(appends).await;
                let failed = window.into_iter().zip(outcomes).filter(|(_, it)| it.is_err());
                failed.map(|(chunk, _)| chunk).collect()
            }
        };
        if !unclear.is_empty() {
            // The shared call ended with its first failure, so most of these may be well.
            self.batch = None;
        }
        for chunk in unclear {
            self.append_alone(chunk).await?;
        }
        Ok(())
    }

    /// Appends a chunk by a call of its own; where it does not fit, event by event, as a part of it
    /// may be there already.
    async fn append_alone(&mut self, chunk: Chunk) -> anyhow::Result<()> {
        match self.log.append(&chunk.stream, chunk.first, &chunk.events).await {
            Ok(()) => return Ok(()),
            Err(RawError::Deleted) => {
                self.ended.entry(chunk.stream).or_insert(chunk.line);
                return Ok(());
            }
            Err(RawError::Conflict) => {}
            Err(error) => return Err(stopped(chunk.line, error)),
        }
        for event in &chunk.events {
            let one = std::slice::from_ref(event);
            match self.log.append(&chunk.stream, event.revision, one).await {
                Ok(()) => {}
                Err(RawError::Conflict) => bail!(
                    "event {} cannot be revision {} of stream {}: in the target the stream ends \
                     before, or holds another event there; import into an empty log, or into one \
                     that holds a part of this import only",
                    event.id,
                    event.revision,
                    event.stream
                ),
                Err(error) => return Err(stopped(chunk.line, error)),
            }
        }
        Ok(())
    }
}

impl Chunk {
    fn goes_on_with(&self, event: &RawEvent) -> bool {
        let next = self.events.last().map(|last| last.revision + 1);
        self.stream == event.stream
            && next == Some(event.revision)
            && self.events.len() < CHUNK_EVENTS_MAX
            && self.bytes < CHUNK_BYTES_MAX
    }
}

/// Stream and revision of the last event that is not the log's own.
async fn last_event(log: &RawLog) -> Result<Option<(String, u64)>, RawError> {
    let (source, from) = (Source::All, From::End);
    let wanted = Wanted { source, from, backwards: true, type_prefix: None, limit: None };
    let mut reading = log.read(&wanted).await?;
    while let Some(event) = reading.next().await? {
        if !is_the_log_s_own(&event.stream) {
            return Ok(Some((event.stream, event.revision)));
        }
    }
    Ok(None)
}

fn stopped(line: u64, error: RawError) -> anyhow::Error {
    anyhow!("{:#}", explained(error))
        .context(format!("stopped at line {line}; run the same import again to go on"))
}
