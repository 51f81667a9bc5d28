//! One relay, nothing in its way.

use relay::Nats;

use crate::history;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn every_public_event_is_published_once_in_the_order_of_the_log() {
    let world = World::start().await;
    history::random(&world.events(), 1, 10, 8).await;
    let relay = world.relay();
    world.assert_stream_equals_log().await;
    // And what happens while it is there.
    history::random(&world.events(), 2, 4, 4).await;
    world.assert_stream_equals_log().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_or_internal_is_in_the_stream() {
    let world = World::start().await;
    history::random(&world.events(), 3, 4, 4).await;
    let _relay = world.relay();
    world.assert_stream_equals_log().await;
    let stream = world.stream().await.unwrap();
    for sequence in 1..=world.published().await {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let text = format!("{message:?} {}", String::from_utf8_lossy(&message.payload));
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_of_the_log_and_of_the_stream_agree() {
    let world = World::start().await;
    let none = relay::stream_summary(&Nats::at(world.nats.url()), relay::STREAM).await.unwrap();
    assert_eq!(none, relay::StreamSummary::default());
    history::random(&world.events(), 4, 3, 3).await;
    let _relay = world.relay();
    world.assert_stream_equals_log().await;
    let summary = relay::stream_summary(&Nats::at(world.nats.url()), relay::STREAM).await.unwrap();
    assert_eq!(summary.messages, relay::count_public(&world.events()).await.unwrap());
    let last = world.log_facts().await.pop().map(|fact| fact.position);
    assert_eq!(summary.last_position, last);
}
