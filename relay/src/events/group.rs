//! Consumers of one group share the work: each event goes to one of them, until one says that it
//! is done.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::context::Context;
use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{AckKind, Message};
use futures::StreamExt;
use futures::stream::BoxStream;

use super::{Event, Wanted};
use crate::BrokerError;
use crate::broker::within;
use crate::nats::{Nats, connect};

/// The stream of events that consumers gave up.
pub const DEAD_LETTERS: &str = "TICKETING-DEAD-LETTERS";
/// What it listens to: `ticketing-dead-letters.<group>.<subject without its first word>`.
const DEAD_LETTERS_SUBJECT: &str = "ticketing-dead-letters";
const DEAD_LETTERS_KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Whoever has not answered by then is taken for dead, and another gets the event.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(30);
/// Events under way in a group at the same time.
const UNDER_WAY_MAX: i64 = 1_000;
/// So few that a consumer does not keep waiting what another could do.
const AHEAD_MAX: usize = 32;

/// A place among the consumers of a group.
pub struct Group {
    name: String,
    jetstream: Context,
    deliveries: BoxStream<'static, Result<Delivered, BrokerError>>,
}

/// An event that was given to this consumer. Unless it is acknowledged, it is given again.
pub struct Delivered {
    pub event: Event,
    /// How often it was given to somebody, this time included.
    pub attempt: i64,
    message: Message,
}

impl Group {
    /// Joins a group, or begins it. Where it begins is decided by the first.
    ///
    /// # Errors
    /// NATS away, no such stream, or a group of this name that filters other subjects.
    pub async fn join(nats: &Nats, name: &str, wanted: &Wanted) -> Result<Self, BrokerError> {
        let jetstream = connect(nats).await?;
        let mut all = Vec::new();
        for partition in &wanted.partitions {
            let stream_name = partition.stream();
            let stream = within(jetstream.get_stream(&stream_name)).await?;
            let config = pull::Config {
                durable_name: Some(name.to_owned()),
                filter_subject: wanted.subject.clone(),
                deliver_policy: wanted.from.policy(),
                ack_policy: AckPolicy::Explicit,
                ack_wait: ACKNOWLEDGE_WITHIN,
                max_ack_pending: UNDER_WAY_MAX,
                ..pull::Config::default()
            };
            let consumer = within(stream.get_or_create_consumer(name, config)).await?;
            let messages = consumer.stream().max_messages_per_batch(AHEAD_MAX).messages();
            let messages = within(messages).await?;
            all.push(messages.map(move |message| delivered(&stream_name, message?)));
        }
        let deliveries = futures::stream::select_all(all).boxed();
        Ok(Self { name: name.to_owned(), jetstream, deliveries })
    }

    /// Waits for the next event.
    ///
    /// # Errors
    /// NATS away for longer than its client waits.
    pub async fn next(&mut self) -> Result<Delivered, BrokerError> {
        self.deliveries.next().await.unwrap_or(Err(BrokerError::Disconnected))
    }

    /// Sets an event aside for people to look at, and has it not given again.
    ///
    /// # Errors
    /// NATS away: the event is given again.
    pub async fn give_up(&self, delivered: &Delivered, reason: &str) -> Result<(), BrokerError> {
        let subject = &delivered.message.subject;
        let inner = subject.split_once('.').map_or(subject.as_str(), |(_, inner)| inner);
        let subject = format!("{DEAD_LETTERS_SUBJECT}.{}.{inner}", self.name);
        let mut headers = HeaderMap::new();
        for (name, values) in delivered.message.headers.iter().flat_map(HeaderMap::iter) {
            // Fences and ids of the stream that it comes from mean nothing in another.
            if !name.to_string().starts_with("Nats-") {
                values.iter().for_each(|value| headers.append(name.clone(), value.clone()));
            }
        }
        // A header is one line.
        let reason: String = reason.chars().filter(|it| !it.is_control()).take(500).collect();
        headers.insert("Dead-Letter-Reason", reason);
        headers.insert("Dead-Letter-Attempts", delivered.attempt.to_string());
        let body = delivered.message.payload.clone();
        let sent = within(self.jetstream.publish_with_headers(subject, headers, body)).await?;
        within(sent.into_future()).await?;
        delivered.answer(AckKind::Term).await
    }
}

impl Delivered {
    /// Says that it is done, and waits until the server has noted it.
    ///
    /// # Errors
    /// NATS away: it is given again.
    pub async fn done(&self) -> Result<(), BrokerError> {
        self.message.double_ack().await.map_err(BrokerError::Strange)
    }

    /// Says that it is still being worked on.
    ///
    /// # Errors
    /// NATS away.
    pub async fn still_at_it(&self) -> Result<(), BrokerError> {
        self.answer(AckKind::Progress).await
    }

    /// Has it given again after a while.
    ///
    /// # Errors
    /// NATS away: it is given again anyway.
    pub async fn again_after(&self, wait: Duration) -> Result<(), BrokerError> {
        self.answer(AckKind::Nak(Some(wait))).await
    }

    async fn answer(&self, kind: AckKind) -> Result<(), BrokerError> {
        self.message.ack_with(kind).await.map_err(BrokerError::Strange)
    }
}

fn delivered(stream: &str, message: Message) -> Result<Delivered, BrokerError> {
    let attempt = message.info().map_err(BrokerError::Strange)?.delivered;
    Ok(Delivered { event: Event::of(stream, &message)?, attempt, message })
}

/// Makes the stream for what consumers give up; they themselves may not make streams.
pub(crate) async fn keep_dead_letters(
    jetstream: &Context,
    replicas: usize,
) -> Result<(), BrokerError> {
    let config = Config {
        name: DEAD_LETTERS.to_owned(),
        description: Some("Events that consumers of ticketing gave up, and why".to_owned()),
        subjects: vec![format!("{DEAD_LETTERS_SUBJECT}.>")],
        storage: StorageType::File,
        max_age: DEAD_LETTERS_KEPT,
        num_replicas: replicas,
        ..Config::default()
    };
    within(jetstream.get_or_create_stream(config)).await.map(drop)
}
