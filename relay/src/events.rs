//! The streams from the other side: public events for those who consume them.

mod event;
mod group;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::broker::within;
use crate::nats::{Nats, connect};
use crate::{BrokerError, Partition};

pub use event::Event;
pub(crate) use group::keep_dead_letters;
pub use group::{DEAD_LETTERS, Delivered, Group};

/// Where in a stream to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// With the oldest event that is there.
    Start,
    /// With what is published from now on.
    End,
    /// With the message of this number; with several partitions, of each stream.
    Sequence(u64),
    /// With the first that was published at this moment or later.
    Time(domain::Timestamp),
}

/// Which events are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub partitions: Vec<Partition>,
    /// As NATS filters: `ticketing.ticket.*.sold`, or `ticketing.>` for all.
    pub subject: String,
    pub from: From,
}

/// Events as they come.
pub type Events = BoxStream<'static, Result<Event, BrokerError>>;

/// Events as they are published, without end. Nothing is noted of them at the server.
///
/// # Errors
/// NATS away, or no such stream.
pub async fn tail(nats: &Nats, wanted: &Wanted) -> Result<Events, BrokerError> {
    read(nats, wanted, false).await
}

/// The events that are there now. With several partitions, those of each come in order.
///
/// # Errors
/// NATS away, or no such stream.
pub async fn replay(nats: &Nats, wanted: &Wanted) -> Result<Events, BrokerError> {
    read(nats, wanted, true).await
}

async fn read(nats: &Nats, wanted: &Wanted, only_what_is: bool) -> Result<Events, BrokerError> {
    let jetstream = connect(nats).await?;
    let mut all = Vec::new();
    for partition in &wanted.partitions {
        let name = partition.stream();
        let stream = within(jetstream.get_stream(&name)).await?;
        let config = OrderedConfig {
            filter_subject: wanted.subject.clone(),
            deliver_policy: wanted.from.policy(),
            ..OrderedConfig::default()
        };
        let consumer = within(stream.create_consumer(config)).await?;
        let there = consumer.cached_info().num_pending;
        if only_what_is && there == 0 {
            continue;
        }
        let most =
            if only_what_is { usize::try_from(there).unwrap_or(usize::MAX) } else { usize::MAX };
        let messages = within(consumer.messages()).await?;
        let events = messages.map(move |message| Event::of(&name, &message?));
        all.push(events.take(most));
    }
    Ok(futures::stream::select_all(all).boxed())
}

impl From {
    pub(crate) fn policy(self) -> DeliverPolicy {
        match self {
            Self::Start => DeliverPolicy::All,
            Self::End => DeliverPolicy::New,
            Self::Sequence(start_sequence) => DeliverPolicy::ByStartSequence { start_sequence },
            Self::Time(time) => time
                .timestamp_nanos_opt()
                .and_then(|nanos| async_nats::datetime::from_nanos(nanos.into()).ok())
                .map_or(DeliverPolicy::All, |start_time| DeliverPolicy::ByStartTime { start_time }),
        }
    }
}
