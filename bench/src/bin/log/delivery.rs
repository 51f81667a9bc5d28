//! What comes out of the log: catching up, and what is new.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bench::rate::Rate;
use eventstore::{Client, StreamPosition, SubscribeToAllOptions, Subscription, SubscriptionEvent};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::load::{self, Appender, Events};
use crate::server::ServerProcess;

/// Subscribers in a crowd, and the connections they share.
pub(crate) const CROWD: usize = 1_000;
const CROWD_CONNECTIONS: usize = 20;
const CROWD_APPENDS_IN_FLIGHT: usize = 16;

/// Between two looks at the clock.
const CLOCK_EVERY_EVENTS: u64 = 1_000;

/// Events a second that a subscription to `$all` gets from the beginning, for at most so long; and how
/// many they were.
pub(crate) async fn catch_up(client: &Client, time: Duration) -> anyhow::Result<(f64, u64)> {
    let mut subscription = subscribe(client, StreamPosition::Start).await?;
    let begun = Instant::now();
    let mut events = 0_u64;
    loop {
        match subscription.next_subscription_event().await? {
            SubscriptionEvent::EventAppeared(_) => events += 1,
            SubscriptionEvent::CaughtUp(_) => break,
            SubscriptionEvent::Confirmed(_)
            | SubscriptionEvent::Checkpoint(_)
            | SubscriptionEvent::FirstStreamPosition(_)
            | SubscriptionEvent::LastStreamPosition(_)
            | SubscriptionEvent::LastAllPosition(_)
            | SubscriptionEvent::FellBehind(_) => {}
        }
        if events.is_multiple_of(CLOCK_EVERY_EVENTS) && begun.elapsed() > time {
            break;
        }
    }
    Ok((events as f64 / begun.elapsed().as_secs_f64(), events))
}

/// An append and its delivery to a live subscriber, both from the moment the append is sent.
pub(crate) struct Delivered {
    pub(crate) acknowledged: Rate,
    pub(crate) delivered: Rate,
}

/// One append after another, each until a live subscriber has it, for so long.
pub(crate) async fn live(
    client: &Client,
    events: &Arc<Events>,
    time: Duration,
) -> anyhow::Result<Delivered> {
    let mut subscription = subscribe(client, StreamPosition::End).await?;
    loop {
        if matches!(subscription.next_subscription_event().await?, SubscriptionEvent::CaughtUp(_)) {
            break;
        }
    }
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let listening = tokio::spawn(async move {
        while subscription.next().await.is_ok() && arrived.send(Instant::now()).is_ok() {}
    });
    let appender = Appender::batch(client).await?;
    let (mut acknowledged, mut delivered) = (Vec::new(), Vec::new());
    let until = Instant::now() + time;
    while Instant::now() < until {
        let stream = format!("order-{}", Uuid::new_v4());
        let begun = Instant::now();
        appender.append(&stream, None, events.get(delivered.len())).await?;
        acknowledged.push(begun.elapsed());
        let Some(arrival) = arrivals.recv().await else {
            anyhow::bail!("the live subscription has ended");
        };
        delivered.push(arrival.duration_since(begun));
    }
    listening.abort();
    Ok(Delivered {
        acknowledged: Rate::of(acknowledged, time),
        delivered: Rate::of(delivered, time),
    })
}

/// A crowd of subscribers, each reading `$all` from the beginning, while others append. Gives the
/// events a second that all of them together get, and the appends a second.
pub(crate) async fn crowd(
    server: &ServerProcess,
    events: &Arc<Events>,
    time: Duration,
) -> anyhow::Result<(f64, f64)> {
    let until = Instant::now() + time;
    let mut readers = JoinSet::new();
    for _ in 0..CROWD_CONNECTIONS {
        let client = server.client()?;
        for _ in 0..CROWD / CROWD_CONNECTIONS {
            readers.spawn(count_until(client.clone(), until));
        }
    }
    let appender = Appender::batch(&server.client()?).await?;
    let (appends, _) = load::append(appender, events, CROWD_APPENDS_IN_FLIGHT, time).await?;
    let mut delivered = 0;
    while let Some(counted) = readers.join_next().await {
        delivered += counted??;
    }
    Ok((delivered as f64 / time.as_secs_f64(), appends.per_second))
}

async fn count_until(client: Client, until: Instant) -> anyhow::Result<u64> {
    let mut subscription = subscribe(&client, StreamPosition::Start).await?;
    let mut events = 0;
    loop {
        match tokio::time::timeout_at(until.into(), subscription.next()).await {
            Ok(event) => event.map(|_| events += 1)?,
            Err(_) => return Ok(events),
        }
    }
}

async fn subscribe(
    client: &Client,
    from: StreamPosition<eventstore::Position>,
) -> anyhow::Result<Subscription> {
    let options = SubscribeToAllOptions::default().position(from);
    Ok(client.subscribe_to_all(&options).await)
}
