//! Is the stream the log's public events, each once, in order? Every message is compared with the
//! event it was made from.

use aws_lc_rs::digest::{Context as Digest, SHA256};
use domain::{DomainEvent, Position, Recorded};
use eventlog::{Delivery, EventLog, LogError};
use futures::StreamExt;
use sqlx::PgPool;

use crate::contract::{MisplacedEvent, PublicEvent};
use crate::nats::{Nats, connect};
use crate::reading::{Read, Reader};
use crate::resume::Last;
use crate::{BrokerError, Partition, broker, crew, progress, subject};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Messages that were compared, up to the first difference.
    pub compared: u64,
    /// Messages at the beginning that a limit on the stream has removed.
    pub removed: u64,
    /// Public events of the log that are not in the stream yet.
    pub waiting: u64,
    /// Messages whose body lacks fields that the contract has got since.
    pub of_earlier_shape: u64,
    /// SHA-256 over ids, types, subjects and positions: of the log, and of the stream.
    pub digests: [String; 2],
    /// None: the stream is as it should be.
    pub first_difference: Option<Difference>,
}

/// Where the stream is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    #[error("event {id} at position {position} is missing: it should be message {sequence}")]
    Missing { id: String, position: Position, sequence: u64 },
    #[error("message {sequence} was not published by a relay")]
    Foreign { sequence: u64 },
    #[error(
        "message {sequence} is event {id} of position {position}, which comes before message \
         {} in the log: it is doubled or out of order", sequence - 1
    )]
    Repeated { id: String, position: Position, sequence: u64 },
    #[error("message {sequence}, event {id} of position {position}, is not in the log")]
    Invented { id: String, position: Position, sequence: u64 },
    #[error(
        "message {sequence}, event {id} of position {position}, has another {what} than the log"
    )]
    Changed { id: String, position: Position, sequence: u64, what: &'static str },
}

/// Why a stream could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("cannot read the log")]
    Log(#[from] LogError),
    #[error("cannot read the stream")]
    Broker(#[from] BrokerError),
    #[error("cannot read Postgres")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Misplaced(#[from] MisplacedEvent),
    #[error("there is no stream {0}; has a relay run?")]
    NoStream(String),
}

/// Compares a stream with the log up to the end that each has now. `show` is told how many messages
/// of how many are compared.
///
/// # Errors
/// [`VerifyError`]; a difference is none.
pub async fn verify(
    log: &EventLog,
    pool: &PgPool,
    nats: &Nats,
    partition: &Partition,
    mut show: impl FnMut(u64, u64),
) -> Result<Verdict, VerifyError> {
    crew::install(pool).await?;
    let name = partition.stream();
    let begins_after =
        progress::read(pool, &name).await?.and_then(|progress| progress.begins_after);
    let jetstream = connect(nats).await?;
    let stream = broker::within(broker::find(&jetstream, &name)).await?;
    let stream = stream.ok_or_else(|| VerifyError::NoStream(name))?;
    let state = broker::state(&stream).await?;
    let held = &stream.cached_info().state;
    let first = if held.messages == 0 { held.last_sequence + 1 } else { held.first_sequence };
    let end = match state.last {
        Last::Marked(mark) => Some(mark.position),
        Last::Never | Last::Gone | Last::Foreign => None,
    };
    let messages = Reader::between(stream, first, state.last_sequence).await?;
    let mut comparison = Comparison::new(partition, first, messages);
    let total = (state.last_sequence + 1).saturating_sub(first);
    let mut deliveries = std::pin::pin!(log.subscribe(begins_after));
    while let Some(delivery) = deliveries.next().await {
        match delivery? {
            Delivery::CaughtUp => break,
            Delivery::Checkpoint(_) => {}
            Delivery::Event(recorded) => {
                if !comparison.take(&recorded, end).await? {
                    break;
                }
                show(comparison.verdict.compared, total);
            }
        }
    }
    comparison.finish().await
}

/// The log on one side, the stream on the other.
struct Comparison<'a> {
    partition: &'a Partition,
    /// The sequence of the first message that is still there.
    first: u64,
    messages: Reader,
    /// How many events of the log this stream is for so far.
    events: u64,
    digests: [Digest; 2],
    verdict: Verdict,
}

impl<'a> Comparison<'a> {
    fn new(partition: &'a Partition, first: u64, messages: Reader) -> Self {
        Self {
            partition,
            first,
            messages,
            events: 0,
            digests: [Digest::new(&SHA256), Digest::new(&SHA256)],
            verdict: Verdict {
                compared: 0,
                removed: 0,
                waiting: 0,
                of_earlier_shape: 0,
                digests: [String::new(), String::new()],
                first_difference: None,
            },
        }
    }

    /// The next event of the log. False: a difference was found.
    async fn take(
        &mut self,
        recorded: &Recorded<DomainEvent>,
        end: Option<Position>,
    ) -> Result<bool, VerifyError> {
        let event = PublicEvent::of(recorded)?;
        let Some(event) = event.filter(|event| self.partition.takes(event)) else {
            return Ok(true);
        };
        self.events += 1;
        if self.events < self.first {
            self.verdict.removed += 1;
            return Ok(true);
        }
        if end.is_none_or(|end| recorded.position > end) && !self.messages.has_more() {
            self.verdict.waiting += 1;
            return Ok(true);
        }
        let message = self.messages.next().await?;
        self.verdict.first_difference =
            difference(self.events, &event, recorded, message.as_ref(), &mut self.verdict);
        if self.verdict.first_difference.is_some() {
            return Ok(false);
        }
        let id = recorded.id.to_string();
        let (kind, subject) = (event.kind().type_name(), subject::of(&event));
        add(&mut self.digests[0], [&id, &kind, &subject, &recorded.position.to_string()]);
        if let Some(Read { id, kind, subject, position, .. }) = &message {
            let position = position.map(|position| position.to_string()).unwrap_or_default();
            add(&mut self.digests[1], [id, kind, subject, &position]);
        }
        self.verdict.compared += 1;
        Ok(true)
    }

    /// What the stream has beyond the log.
    async fn finish(mut self) -> Result<Verdict, VerifyError> {
        if self.verdict.first_difference.is_none()
            && let Some(message) = self.messages.next().await?
        {
            let sequence = message.sequence;
            self.verdict.first_difference = Some(match message.position {
                None => Difference::Foreign { sequence },
                Some(position) => Difference::Invented { id: message.id, position, sequence },
            });
        }
        self.verdict.digests = self.digests.map(|digest| hex::encode(digest.finish()));
        Ok(self.verdict)
    }
}

fn difference(
    expected: u64,
    event: &PublicEvent,
    recorded: &Recorded<DomainEvent>,
    message: Option<&Read>,
    verdict: &mut Verdict,
) -> Option<Difference> {
    let (id, position) = (recorded.id.to_string(), recorded.position);
    let missing = Difference::Missing { id: id.clone(), position, sequence: expected };
    let Some(message) = message else { return Some(missing) };
    let sequence = message.sequence;
    let Some(there) = message.position else { return Some(Difference::Foreign { sequence }) };
    if there < position {
        return Some(Difference::Repeated { id: message.id.clone(), position: there, sequence });
    }
    if there > position || sequence != expected {
        return Some(missing);
    }
    let changed = |what| Some(Difference::Changed { id, position, sequence, what });
    if message.id != recorded.id.to_string() {
        return changed("id");
    }
    if message.kind != event.kind().type_name() {
        return changed("type");
    }
    if message.subject != subject::of(event) {
        return changed("subject");
    }
    if message.ordinal != Some(expected) {
        return changed("ordinal");
    }
    match body(event, &message.body) {
        Body::Same => None,
        Body::EarlierShape => {
            verdict.of_earlier_shape += 1;
            None
        }
        Body::Other => changed("body"),
    }
}

enum Body {
    Same,
    /// It says the same, but lacks fields.
    EarlierShape,
    Other,
}

fn body(event: &PublicEvent, body: &[u8]) -> Body {
    let (Ok(expected), Ok(found)) =
        (serde_json::to_value(event), serde_json::from_slice::<serde_json::Value>(body))
    else {
        return Body::Other;
    };
    if expected == found {
        return Body::Same;
    }
    let (Some(expected), Some(found)) = (expected.as_object(), found.as_object()) else {
        return Body::Other;
    };
    let same = found.iter().all(|(name, value)| expected.get(name) == Some(value));
    if same { Body::EarlierShape } else { Body::Other }
}

fn add(digest: &mut Digest, parts: [&String; 4]) {
    for part in parts {
        digest.update(part.as_bytes());
        digest.update(b"\n");
    }
}
