//! Messages of a stream, one after another.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use domain::Position;
use futures::StreamExt;

use crate::BrokerError;
use crate::broker::within;
use crate::message::Mark;

/// What is there comes at once; this is for a server that has gone away.
const MESSAGE_WAIT: Duration = Duration::from_secs(30);

/// A message as it lies in a stream.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) sequence: u64,
    pub(crate) subject: String,
    pub(crate) id: String,
    pub(crate) kind: String,
    /// None: no relay wrote it.
    pub(crate) position: Option<Position>,
    pub(crate) ordinal: Option<u64>,
    pub(crate) body: Bytes,
}

/// Reads from one sequence to another, both included.
pub(crate) struct Reader {
    /// None: there is nothing between.
    messages: Option<Ordered>,
    next: u64,
    last: u64,
}

impl Reader {
    pub(crate) async fn between(
        stream: Stream,
        first: u64,
        last: u64,
    ) -> Result<Self, BrokerError> {
        let mut messages = None;
        if first <= last {
            let config = OrderedConfig {
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: first },
                ..OrderedConfig::default()
            };
            let consumer = within(stream.create_consumer(config)).await?;
            messages = Some(within(consumer.messages()).await?);
        }
        Ok(Self { messages, next: first, last })
    }

    pub(crate) fn has_more(&self) -> bool {
        self.next <= self.last
    }

    /// None: all have been read.
    pub(crate) async fn next(&mut self) -> Result<Option<Read>, BrokerError> {
        if !self.has_more() {
            return Ok(None);
        }
        let Some(messages) = &mut self.messages else { return Ok(None) };
        let message = match tokio::time::timeout(MESSAGE_WAIT, messages.next()).await {
            Ok(Some(message)) => message?,
            Ok(None) | Err(_) => return Err(BrokerError::TimedOut),
        };
        let sequence = message.info().map_err(BrokerError::Strange)?.stream_sequence;
        self.next = sequence + 1;
        let headers = message.headers.clone().unwrap_or_default();
        let mark = Mark::read(&headers);
        Ok(Some(Read {
            sequence,
            subject: message.subject.to_string(),
            id: text(&headers, "ce-id"),
            kind: text(&headers, "ce-type"),
            position: mark.map(|mark| mark.position),
            ordinal: mark.map(|mark| mark.ordinal),
            body: message.payload.clone(),
        }))
    }
}

pub(crate) fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map(|value| value.as_str().to_owned()).unwrap_or_default()
}
