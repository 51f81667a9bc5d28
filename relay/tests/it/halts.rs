//! A stream that is not what the relays have made: the relay stops, and says what to do.

use async_nats::jetstream;
use embedded_log::testing::TestLog;
use eventlog::EventLog;
use relay::Halt;

use crate::history;
use crate::world::World;

async fn published(seed: u64) -> World {
    let world = World::start().await;
    history::random(&world.events(), seed, 3, 3).await;
    let relay = world.relay();
    world.assert_stream_equals_log().await;
    world.until_recorded(world.published().await).await;
    relay.stop().await;
    world
}

async fn broker(world: &World) -> jetstream::Context {
    jetstream::new(async_nats::connect(world.nats.url()).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_halts_on_a_message_that_no_relay_published() {
    let world = published(50).await;
    let relay = world.relay();
    let broker = broker(&world).await;
    let foreign = broker.publish("ticketing.ticket.x.sold", "{}".into()).await;
    let sequence = foreign.unwrap().await.unwrap().sequence;
    history::random(&world.events(), 51, 1, 1).await;
    let halt = relay.halted().await;
    assert!(matches!(halt, Halt::ForeignMessage { sequence: at, .. } if at == sequence), "{halt}");
    assert!(halt.to_string().contains("nats stream rm TICKETING"), "{halt}");
    assert_eq!(world.published().await, sequence, "it went on");
    // Starting again changes nothing.
    assert!(matches!(world.relay().halted().await, Halt::ForeignMessage { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_halts_when_the_stream_is_gone_and_does_not_make_another() {
    let world = published(52).await;
    broker(&world).await.delete_stream(relay::STREAM).await.unwrap();
    assert!(matches!(world.relay().halted().await, Halt::StreamGone { .. }));
    assert!(world.stream().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_halts_when_the_stream_was_created_anew_and_refills_it_when_told_to() {
    let world = published(53).await;
    let broker = broker(&world).await;
    let config = world.stream().await.unwrap().cached_info().config.clone();
    broker.delete_stream(relay::STREAM).await.unwrap();
    broker.create_stream(config).await.unwrap();
    let halt = world.relay().halted().await;
    assert!(matches!(halt, Halt::StreamRecreated { .. }), "{halt}");

    // As the message says.
    broker.delete_stream(relay::STREAM).await.unwrap();
    let text = halt.to_string();
    let advice = text.split('`').find(|quoted| quoted.starts_with("DELETE")).unwrap().to_owned();
    sqlx::raw_sql(sqlx::AssertSqlSafe(advice)).execute(&world.pool).await.unwrap();
    let _relay = world.relay();
    world.assert_stream_equals_log().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_halts_when_the_stream_is_ahead_of_the_log() {
    let world = published(54).await;
    sqlx::raw_sql("DELETE FROM follower.checkpoint; DELETE FROM relay.progress")
        .execute(&world.pool)
        .await
        .unwrap();
    let other = TestLog::start().await;
    let connection_string = other.connection_string();
    let settings = eventlog::Settings { connection_string, build: "test".to_owned() };
    let relay = world.relay_with(EventLog::new(settings).unwrap(), world.pool.clone());
    assert!(matches!(relay.halted().await, Halt::AheadOfLog { .. }));
}
