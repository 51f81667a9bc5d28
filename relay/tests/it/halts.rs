//! A stream that is not what the relays have made: the relay stops, and says what to do.

use std::path::Path;

use async_nats::jetstream;
use embedded_log::testing::TestLog;
use eventlog::EventLog;
use relay::desk::{DeskError, Next};
use relay::{Halt, Partition, Settings};

use crate::history;
use crate::world::{World, plain};

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
    let advice = "ticketing relay rewind --to start --stream TICKETING --remove-stream";
    assert!(halt.to_string().contains(advice), "{halt}");
    assert_eq!(world.published().await, sequence, "it went on");
    // Starting again changes nothing, and nor does asking it to go on.
    assert!(matches!(world.relay().halted().await, Halt::ForeignMessage { .. }));
    let desk = world.desk();
    let refused = desk.resume(&plain()).await;
    assert!(matches!(refused, Err(DeskError::Halt(Halt::ForeignMessage { .. }))), "{refused:?}");
    let told = desk.status(&plain()).await.unwrap().halted.unwrap();
    assert_eq!(told, halt.to_string());

    // As the message says.
    assert_eq!(desk.rewind(&plain(), None, true).await.unwrap(), Next::Fill(None));
    let _relay = world.relay();
    world.assert_stream_equals_log().await;
    world.until_recorded(world.published().await).await;
    assert_eq!(desk.status(&plain()).await.unwrap().halted, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_halts_when_the_stream_is_gone_and_does_not_make_another() {
    let world = published(52).await;
    broker(&world).await.delete_stream(relay::STREAM).await.unwrap();
    let halt = world.relay().halted().await;
    assert!(matches!(halt, Halt::StreamGone { .. }));
    assert!(halt.to_string().contains("ticketing relay resume"), "{halt}");
    assert!(world.stream().await.is_none());
    assert_eq!(world.desk().resume(&plain()).await.unwrap(), Next::Fill(None));
    let _relay = world.relay();
    world.assert_stream_equals_log().await;
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
    assert!(halt.to_string().contains("ticketing relay resume"), "{halt}");
    assert_eq!(world.desk().resume(&plain()).await.unwrap(), Next::Fill(None));
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

/// NATS comes back as it was a while ago, as after a power cut without syncing.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_lost_its_end_is_filled_in_again() {
    let mut world = published(55).await;
    let earlier = world.published().await;
    world.nats.stop().await;
    let (store, copy) = (world.nats.store(), world.nats.store().with_extension("earlier"));
    copy_folder(&store, &copy);
    world.nats.start_again().await;
    history::random(&world.events(), 56, 3, 3).await;
    let relay = world.relay();
    world.assert_stream_equals_log().await;
    world.until_recorded(world.published().await).await;
    relay.stop().await;

    world.nats.stop().await;
    std::fs::remove_dir_all(&store).unwrap();
    std::fs::rename(&copy, &store).unwrap();
    world.nats.start_again().await;
    assert_eq!(world.published().await, earlier);
    let _relay = world.relay();
    world.assert_stream_equals_log().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_events_is_not_rewound_under_them() {
    let world = published(57).await;
    let desk = world.desk();
    let refused = desk.rewind(&plain(), None, false).await;
    assert!(matches!(refused, Err(DeskError::NotEmpty { .. })), "{refused:?}");
    let beyond = domain::Position { commit: u64::MAX / 4, prepare: u64::MAX / 4 };
    let refused = desk.rewind(&plain(), Some(beyond), true).await;
    assert!(matches!(refused, Err(DeskError::PastTheLog { .. })), "{refused:?}");
    let _relay = world.relay();
    history::random(&world.events(), 58, 1, 1).await;
    world.assert_stream_equals_log().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_may_begin_late_in_the_log() {
    let world = published(59).await;
    let before = world.log_facts().await;
    let (middle, desk) = (before[before.len() / 2].position, world.desk());
    desk.rewind(&plain(), Some(middle), true).await.unwrap();
    let _relay = world.relay();
    let expected: Vec<_> = before.into_iter().filter(|fact| fact.position > middle).collect();
    world.until_published(u64::try_from(expected.len()).unwrap()).await;
    assert_eq!(world.stream_facts().await, expected);
    let verdict = world.verify(&plain()).await;
    assert_eq!((verdict.first_difference, verdict.removed), (None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_of_partitions_must_be_allowed_first() {
    let world = published(62).await;
    let wider = || Settings { partitions: 3, ..world.settings() };
    let relay = world.relay_with_settings(world.events(), world.pool.clone(), wider());
    let halt = relay.halted().await;
    assert!(matches!(halt, Halt::OtherPartitions { wanted: 3, .. }), "{halt}");
    assert!(halt.to_string().contains("ticketing relay grow --partitions 3"), "{halt}");
    world.desk().grow(relay::STREAM, 3).await.unwrap();
    let relay = world.relay_with_settings(world.events(), world.pool.clone(), wider());
    for partition in Partition::all(relay::STREAM, 3) {
        world.until_verified(&partition).await;
    }
    assert!(relay.is_running());
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
