//! `verify` finds every way in which a stream can be wrong, and names the first message that is.

use async_nats::HeaderMap;
use async_nats::jetstream::{self, stream};
use relay::{Difference, Nats, Verdict};

use crate::history;
use crate::world::{World, plain};

/// A message as it is published.
#[derive(Clone)]
struct Message {
    subject: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Fills a stream of three partitions' worth of events, wrongly, and says what is found.
async fn found(change: impl FnOnce(&mut Vec<Message>)) -> Verdict {
    let world = World::start().await;
    history::random(&world.events(), 80, 2, 2).await;
    let relay = world.relay();
    world.assert_stream_equals_log().await;
    let right = world.verify(&plain()).await;
    assert_eq!(right.first_difference, None);
    assert_eq!((right.waiting, right.removed, right.of_earlier_shape), (0, 0, 0));
    assert_eq!(right.compared, world.published().await);
    assert_eq!(right.digests[0], right.digests[1]);
    relay.stop().await;

    let mut messages = messages(&world).await;
    change(&mut messages);
    let broker = jetstream::new(async_nats::connect(world.nats.url()).await.unwrap());
    broker.delete_stream(relay::STREAM).await.unwrap();
    let config = stream::Config {
        name: relay::STREAM.to_owned(),
        subjects: vec!["ticketing.>".to_owned()],
        ..stream::Config::default()
    };
    broker.create_stream(config).await.unwrap();
    for Message { subject, headers, body } in messages {
        broker.publish_with_headers(subject, headers, body.into()).await.unwrap().await.unwrap();
    }
    world.verify(&plain()).await
}

async fn messages(world: &World) -> Vec<Message> {
    let stream = world.stream().await.unwrap();
    let mut messages = Vec::new();
    for sequence in 1..=stream.cached_info().state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let mut headers = HeaderMap::new();
        for (name, values) in message.headers.iter() {
            let own = name.to_string();
            // Neither fences nor ids: everything goes in.
            if !own.starts_with("Nats-") {
                values.iter().for_each(|value| headers.insert(own.as_str(), value.as_str()));
            }
        }
        let body = message.payload.to_vec();
        messages.push(Message { subject: message.subject.to_string(), headers, body });
    }
    messages
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_event_is_named() {
    let verdict = found(|messages| drop(messages.remove(3))).await;
    let Some(Difference::Missing { sequence: 4, .. }) = verdict.first_difference else {
        panic!("{verdict:?}");
    };
    assert_eq!(verdict.compared, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_end_is_not_published_yet() {
    let verdict = found(|messages| drop(messages.pop())).await;
    assert_eq!((verdict.first_difference, verdict.waiting), (None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubled_event_is_named() {
    let verdict = found(|messages| messages.insert(4, messages[3].clone())).await;
    let Some(Difference::Repeated { sequence: 5, .. }) = verdict.first_difference else {
        panic!("{verdict:?}");
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn events_out_of_order_are_named() {
    let verdict = found(|messages| messages.swap(2, 3)).await;
    let Some(Difference::Missing { sequence: 3, .. }) = verdict.first_difference else {
        panic!("{verdict:?}");
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_body_is_named_and_one_that_lacks_a_field_is_counted() {
    let changed = |messages: &mut Vec<Message>| {
        let body = String::from_utf8(messages[2].body.clone()).unwrap();
        messages[2].body = body.replace("\"version\":", "\"version\":1").into_bytes();
    };
    let verdict = found(changed).await;
    let Some(Difference::Changed { sequence: 3, what: "body", .. }) = verdict.first_difference
    else {
        panic!("{verdict:?}");
    };
    let earlier = |messages: &mut Vec<Message>| {
        let mut body: serde_json::Value = serde_json::from_slice(&messages[2].body).unwrap();
        body.as_object_mut().unwrap().remove("version");
        messages[2].body = serde_json::to_vec(&body).unwrap();
    };
    let verdict = found(earlier).await;
    assert_eq!((verdict.first_difference, verdict.of_earlier_shape), (None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_message_is_named() {
    let foreign = |messages: &mut Vec<Message>| {
        let mut message = messages[1].clone();
        message.headers = HeaderMap::new();
        messages.push(message);
    };
    let count = found(foreign).await;
    assert!(matches!(count.first_difference, Some(Difference::Foreign { .. })), "{count:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_there_is_no_difference_but_an_error() {
    let world = World::start().await;
    let nats = Nats::at(world.nats.url());
    let outcome = relay::verify(&world.events(), &world.pool, &nats, &plain(), |_, _| {}).await;
    assert!(matches!(outcome, Err(relay::VerifyError::NoStream(_))), "{outcome:?}");
}
