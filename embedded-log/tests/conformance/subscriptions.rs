//! Subscriptions: what was there, the news that this was all, and then what comes.

use std::collections::HashMap;

use eventstore::{
    Error, EventData, Position, StreamPosition, StreamState, SubscribeToAllOptions,
    SubscribeToStreamOptions, Subscription, SubscriptionEvent, SubscriptionFilter,
};

use crate::proto::streams::read_req::options::{
    Position as WirePosition, all_options::AllOption, stream_options::RevisionOption,
};
use crate::proto::streams::read_resp::Content;
use crate::read_requests::{of_all, of_stream, subscription};
use crate::support::{Server, append, event, events, number, soon, stream};
use crate::wire::EMPTY;

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
async fn a_stream_subscription_starts_after_its_revision_and_tells_where_it_is() {
    use StreamPosition::{Position, Start};
    let server = Server::start().await;
    let stream = stream("from");
    append(&server.client, &stream, StreamState::Any, events(0..4)).await.unwrap();
    let table: [(StreamPosition<u64>, &[u64]); 5] = [
        (Start, &[0, 1, 2, 3]),
        (Position(0), &[1, 2, 3]),
        (Position(2), &[3]),
        (Position(3), &[]),
        (StreamPosition::End, &[]),
    ];
    let mut subscriptions = Vec::new();
    for (from, numbers) in table {
        let options = SubscribeToStreamOptions::default().start_from(from);
        let mut subscription = server.client.subscribe_to_stream(&*stream, &options).await;
        assert!(matches!(next(&mut subscription).await, SubscriptionEvent::Confirmed(_)));
        assert_eq!(catch_up(&mut subscription).await.0, numbers, "{from:?}");
        subscriptions.push(subscription);
    }
    append(&server.client, &stream, StreamState::Any, events(4..6)).await.unwrap();
    for mut subscription in subscriptions {
        for wanted in [4, 5] {
            let live = soon("a live event", subscription.next()).await.unwrap();
            assert_eq!(number(&live), wanted);
        }
    }
}

#[tokio::test]
async fn a_stream_subscription_confirms_first_and_tells_its_revision_when_it_has_caught_up() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let (there, missing) = (stream("there"), stream("missing"));
    append(&server.client, &there, StreamState::Any, events(0..3)).await.unwrap();
    for (stream, revision) in [(&there, Some(2)), (&missing, None)] {
        let options = of_stream(stream, RevisionOption::Start(EMPTY), subscription());
        let mut answers = wire.subscribe(options).await.unwrap();
        let mut contents = Vec::new();
        let caught_up = loop {
            let answer = soon("an answer", answers.message()).await.unwrap().unwrap();
            match answer.content.unwrap() {
                Content::CaughtUp(told) => break told,
                other => contents.push(other),
            }
        };
        assert!(matches!(contents.first(), Some(Content::Confirmation(_))), "{contents:?}");
        let rest = contents.iter().skip(1);
        assert!(rest.clone().all(|content| matches!(content, Content::Event(_))), "{contents:?}");
        assert_eq!(rest.count(), if revision.is_some() { 3 } else { 0 });
        assert_eq!((caught_up.stream_revision, caught_up.position), (revision, None));
        assert!(caught_up.timestamp.is_some());
    }
}

#[tokio::test]
async fn a_subscription_to_a_missing_stream_waits_for_it() {
    let server = Server::start().await;
    let missing = stream("later");
    for from in [StreamPosition::Start, StreamPosition::End] {
        let options = SubscribeToStreamOptions::default().start_from(from);
        let mut subscription = server.client.subscribe_to_stream(&*missing, &options).await;
        assert!(catch_up(&mut subscription).await.0.is_empty());
        let written =
            append(&server.client, &missing, StreamState::Any, vec![event(7)]).await.unwrap();
        let first = soon("the first event", subscription.next()).await.unwrap();
        assert_eq!(first.get_original_event().revision, written.next_expected_version);
        server.client.delete_stream(&*missing, &Default::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_subscription_outlives_the_deletion_of_its_stream_and_sees_its_new_life() {
    let server = Server::start().await;
    let stream = stream("again");
    append(&server.client, &stream, StreamState::Any, events(0..2)).await.unwrap();
    let options = SubscribeToStreamOptions::default().start_from(StreamPosition::Start);
    let mut before = server.client.subscribe_to_stream(&*stream, &options).await;
    assert_eq!(catch_up(&mut before).await.0, [0, 1]);
    server.client.delete_stream(&*stream, &Default::default()).await.unwrap();
    let mut between = server.client.subscribe_to_stream(&*stream, &options).await;
    assert!(catch_up(&mut between).await.0.is_empty(), "what was deleted is not seen");

    append(&server.client, &stream, StreamState::NoStream, events(2..4)).await.unwrap();
    let mut after = server.client.subscribe_to_stream(&*stream, &options).await;
    assert_eq!(catch_up(&mut after).await.0, [2, 3]);
    for mut subscription in [before, between] {
        for wanted in [2, 3] {
            let event = soon("the new life", subscription.next()).await.unwrap();
            assert_eq!((number(&event), event.get_original_event().revision), (wanted, wanted));
        }
    }
}

#[tokio::test]
async fn a_tombstone_ends_a_subscription_and_lets_no_other_begin() {
    let server = Server::start().await;
    let stream = stream("ended");
    append(&server.client, &stream, StreamState::Any, events(0..2)).await.unwrap();
    let options = SubscribeToStreamOptions::default().start_from(StreamPosition::Start);
    let mut live = server.client.subscribe_to_stream(&*stream, &options).await;
    assert_eq!(catch_up(&mut live).await.0, [0, 1]);
    server.client.tombstone_stream(&*stream, &Default::default()).await.unwrap();
    let mut late = server.client.subscribe_to_stream(&*stream, &options).await;
    for subscription in [&mut live, &mut late] {
        let ended = soon("the subscription ends", async {
            loop {
                if let Err(error) = subscription.next_subscription_event().await {
                    break error;
                }
            }
        });
        assert!(matches!(ended.await, Error::ResourceDeleted));
    }
}

#[tokio::test]
async fn a_subscription_to_all_begins_after_its_position() {
    let server = Server::start().await;
    let stream = stream("after");
    let mut positions = Vec::new();
    for number in 0..4 {
        let written =
            append(&server.client, &stream, StreamState::Any, vec![event(number)]).await.unwrap();
        positions.push(written.position);
    }
    let filter = SubscriptionFilter::on_stream_name().add_prefix(&stream);
    for (position, index) in positions.into_iter().zip(0..) {
        let options = SubscribeToAllOptions::default()
            .position(StreamPosition::Position(position))
            .filter(filter.clone());
        let mut subscription = server.client.subscribe_to_all(&options).await;
        let rest: Vec<u64> = (index + 1..4).collect();
        assert_eq!(catch_up(&mut subscription).await.0, rest);
    }
}

/// Subscribers that take nothing do not hold up the writer, and find everything when they come to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_subscriber_holds_nobody_up_and_loses_nothing() {
    const SUBSCRIBERS: usize = 4;
    const EVENTS: u64 = 400;
    const EVENT_BYTES: usize = 32 * 1024;
    let server = Server::start().await;
    let stream = stream("heavy");
    let start = append(&server.client, &stream, StreamState::Any, events(0..1)).await.unwrap();
    let from = || {
        let (commit_position, prepare_position) = (start.position.commit, start.position.prepare);
        AllOption::Position(WirePosition { commit_position, prepare_position })
    };
    let mut slow = Vec::new();
    for _ in 0..SUBSCRIBERS {
        // Each on its own connection: on a shared one the client's own window is what holds it up.
        let wire = server.wire().await;
        slow.push(wire.subscribe(of_all(&stream, from(), subscription())).await.unwrap());
    }
    for number in 1..=EVENTS {
        let data = vec![0; EVENT_BYTES];
        let event = EventData::binary("Heavy.v1", data.into()).id(uuid::Uuid::new_v4());
        let state = StreamState::StreamRevision(number - 1);
        let written = append(&server.client, &stream, state, vec![event]);
        soon("an append beside slow subscribers", written).await.unwrap();
    }
    for mut subscription in slow {
        let mut next = 1;
        while next <= EVENTS {
            let answer = soon("what waited", subscription.message()).await.unwrap().unwrap();
            if let Some(Content::Event(read)) = answer.content {
                let event = read.event.unwrap();
                assert_eq!((event.stream_revision, event.data.len()), (next, EVENT_BYTES));
                next += 1;
            }
        }
    }
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
