//! Subscriptions: what was there, the news that this was all, and then what comes.

use std::collections::HashMap;

use eventstore::{
    Position, StreamPosition, StreamState, SubscribeToAllOptions, SubscribeToStreamOptions,
    Subscription, SubscriptionEvent, SubscriptionFilter,
};

use crate::support::{Server, append, event, events, number, soon, stream};

async fn next(subscription: &mut Subscription) -> SubscriptionEvent {
    soon("a subscription event", subscription.next_subscription_event()).await.unwrap()
}

/// Event numbers up to and without `CaughtUp`, and the checkpoints among them.
async fn catch_up(subscription: &mut Subscription) -> (Vec<u64>, Vec<Position>) {
    let (mut numbers, mut checkpoints) = (Vec::new(), Vec::new());
    loop {
        match next(subscription).await {
            SubscriptionEvent::EventAppeared(event) => numbers.push(number(&event)),
            SubscriptionEvent::Checkpoint(position) => checkpoints.push(position),
            SubscriptionEvent::CaughtUp(_) => return (numbers, checkpoints),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_filtered_subscription_catches_up_tells_where_it_is_and_goes_live() {
    let server = Server::start().await;
    let prefix = stream("followed");
    let noise = stream("noise");
    append(&server.client, &prefix, StreamState::Any, events(0..3)).await.unwrap();
    let last = append(&server.client, &noise, StreamState::Any, events(0..100)).await.unwrap();

    let filter = SubscriptionFilter::on_stream_name().add_prefix(&prefix);
    let options =
        SubscribeToAllOptions::default().position(StreamPosition::Start).filter(filter.clone());
    let mut subscription = server.client.subscribe_to_all(&options).await;
    assert!(matches!(next(&mut subscription).await, SubscriptionEvent::Confirmed(_)));
    let (numbers, checkpoints) = catch_up(&mut subscription).await;
    assert_eq!(numbers, [0, 1, 2]);
    assert!(checkpoints.len() >= 4, "every 32 considered and at the end: {checkpoints:?}");
    assert!(checkpoints.windows(2).all(|pair| pair[0] < pair[1]), "never twice the same");
    assert!(*checkpoints.last().unwrap() >= last.position);

    append(&server.client, &prefix, StreamState::Any, vec![event(3)]).await.unwrap();
    let live = soon("the live event", subscription.next()).await.unwrap();
    assert_eq!(number(&live), 3);

    // Whoever resumes from a checkpoint gets what came after it, and that only.
    let resumed = SubscribeToAllOptions::default()
        .position(StreamPosition::Position(*checkpoints.last().unwrap()))
        .filter(filter);
    let mut subscription = server.client.subscribe_to_all(&resumed).await;
    assert_eq!(catch_up(&mut subscription).await.0, [3]);
}

#[tokio::test]
async fn an_unfiltered_subscription_has_no_checkpoints_and_tells_its_position() {
    let server = Server::start().await;
    let written =
        append(&server.client, &stream("plain"), StreamState::Any, events(0..100)).await.unwrap();
    let options = SubscribeToAllOptions::default().position(StreamPosition::Start);
    let mut subscription = server.client.subscribe_to_all(&options).await;
    let caught_up = loop {
        match next(&mut subscription).await {
            SubscriptionEvent::Checkpoint(position) => panic!("a checkpoint at {position:?}"),
            SubscriptionEvent::CaughtUp(caught_up) => break caught_up,
            _ => {}
        }
    };
    assert!(caught_up.unwrap().position.unwrap() >= written.position);
}

#[tokio::test]
async fn a_subscription_from_the_end_gets_only_what_comes() {
    let server = Server::start().await;
    let stream = stream("end");
    append(&server.client, &stream, StreamState::Any, events(0..5)).await.unwrap();
    let filter = SubscriptionFilter::on_stream_name().add_prefix(&stream);
    let all = SubscribeToAllOptions::default().position(StreamPosition::End).filter(filter);
    let one = SubscribeToStreamOptions::default().start_from(StreamPosition::End);
    let mut all = server.client.subscribe_to_all(&all).await;
    let mut one = server.client.subscribe_to_stream(&*stream, &one).await;
    assert!(catch_up(&mut all).await.0.is_empty());
    assert!(catch_up(&mut one).await.0.is_empty());
    append(&server.client, &stream, StreamState::Any, vec![event(5)]).await.unwrap();
    for subscription in [&mut all, &mut one] {
        assert_eq!(number(&soon("the live event", subscription.next()).await.unwrap()), 5);
    }
}

#[tokio::test]
async fn a_stream_subscription_starts_after_its_revision_and_waits_for_a_missing_stream() {
    let server = Server::start().await;
    let missing = stream("later");
    let options = SubscribeToStreamOptions::default().start_from(StreamPosition::Start);
    let mut subscription = server.client.subscribe_to_stream(&*missing, &options).await;
    assert!(catch_up(&mut subscription).await.0.is_empty());
    append(&server.client, &missing, StreamState::NoStream, events(0..4)).await.unwrap();
    assert_eq!(number(&soon("the first event", subscription.next()).await.unwrap()), 0);

    let options = SubscribeToStreamOptions::default().start_from(StreamPosition::Position(1));
    let mut subscription = server.client.subscribe_to_stream(&*missing, &options).await;
    assert_eq!(catch_up(&mut subscription).await.0, [2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn catching_up_while_others_write_loses_and_repeats_nothing() {
    const STREAMS: u64 = 10;
    const EVENTS: u64 = 200;
    let server = Server::start().await;
    let prefix = stream("busy");
    let filter = SubscriptionFilter::on_stream_name().add_prefix(&prefix);
    let options = SubscribeToAllOptions::default().position(StreamPosition::Start).filter(filter);
    let writers: Vec<_> = (0..STREAMS)
        .map(|index| {
            let (client, stream) = (server.client.clone(), format!("{prefix}-{index}"));
            tokio::spawn(async move {
                for number in 0..EVENTS {
                    append(&client, &stream, StreamState::Any, vec![event(number)]).await.unwrap();
                }
            })
        })
        .collect();
    // One begins before the writing, one in the middle, one is slow to take what it gets.
    let mut subscriptions = Vec::new();
    for _ in 0..3 {
        let mut subscription = server.client.subscribe_to_all(&options).await;
        let mut seen: HashMap<String, u64> = HashMap::new();
        let mut last = Position { commit: 0, prepare: 0 };
        for _ in 0..STREAMS * EVENTS / 3 {
            take(&mut subscription, &mut seen, &mut last).await;
        }
        subscriptions.push((subscription, seen, last));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for (mut subscription, mut seen, mut last) in subscriptions {
        while seen.values().sum::<u64>() < STREAMS * EVENTS {
            take(&mut subscription, &mut seen, &mut last).await;
        }
        assert!(seen.values().all(|count| *count == EVENTS));
    }
}

/// Takes one event and checks that it is the next one of its stream and of the log.
async fn take(
    subscription: &mut Subscription,
    seen: &mut HashMap<String, u64>,
    last: &mut Position,
) {
    let taken = soon("the next event", subscription.next()).await.unwrap();
    let event = taken.get_original_event();
    assert!(event.position > *last, "in the order of the log");
    *last = event.position;
    let count = seen.entry(event.stream_id().to_owned()).or_default();
    assert_eq!(event.revision, *count, "nothing missing, nothing twice");
    assert_eq!(number(&taken), *count);
    *count += 1;
}
