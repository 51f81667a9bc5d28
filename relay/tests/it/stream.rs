//! The stream kept as code.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::stream::{Config, StorageType};
use relay::Halt;

use crate::history;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_stream_is_on_disk_and_cannot_be_emptied() {
    let world = World::start().await;
    history::random(&world.events(), 60, 1, 1).await;
    let _relay = world.relay();
    world.assert_stream_equals_log().await;
    let stream = world.stream().await.unwrap();
    let config = &stream.cached_info().config;
    assert_eq!(config.storage, StorageType::File);
    assert_eq!(config.subjects, ["ticketing.>"]);
    assert_eq!(config.num_replicas, 1);
    assert!(config.deny_delete && config.deny_purge && config.allow_direct);
    assert!(stream.purge().await.is_err());
    assert!(stream.delete_message(1).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_there_gets_the_settings_and_keeps_an_operators_limits() {
    let world = World::start().await;
    let client = async_nats::connect(world.nats.url()).await.unwrap();
    let a_year = Duration::from_secs(365 * 24 * 3_600);
    let config = Config {
        name: relay::STREAM.to_owned(),
        subjects: vec!["old.>".to_owned()],
        max_age: a_year,
        ..Config::default()
    };
    jetstream::new(client).create_stream(config).await.unwrap();
    history::random(&world.events(), 61, 3, 3).await;
    let _relay = world.relay();
    world.assert_stream_equals_log().await;
    let stream = world.stream().await.unwrap();
    let config = &stream.cached_info().config;
    assert_eq!(config.subjects, ["ticketing.>"]);
    assert!(config.deny_delete && config.deny_purge && config.allow_atomic_publish);
    assert_eq!(config.max_age, a_year);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_kept_in_memory_is_not_good_enough() {
    let world = World::start().await;
    let client = async_nats::connect(world.nats.url()).await.unwrap();
    let config = Config {
        name: relay::STREAM.to_owned(),
        storage: StorageType::Memory,
        ..Config::default()
    };
    jetstream::new(client).create_stream(config).await.unwrap();
    assert!(matches!(world.relay().halted().await, Halt::NotOnDisk { .. }));
}
