//! What comes out of the log: catching up, and what is new.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eventstore::{Client, StreamPosition, SubscribeToAllOptions, Subscription, SubscriptionEvent};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::load::{Appender, Events, Rate};

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

async fn subscribe(
    client: &Client,
    from: StreamPosition<eventstore::Position>,
) -> anyhow::Result<Subscription> {
    let options = SubscribeToAllOptions::default().position(from);
    Ok(client.subscribe_to_all(&options).await)
}
