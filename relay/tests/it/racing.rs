//! Several relays, relays that are killed, acknowledgements that are lost.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::history;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn three_relays_racing_publish_what_one_would() {
    let world = World::start().await;
    history::random(&world.events(), 10, 10, 8).await;
    let relays = [world.relay(), world.relay(), world.relay()];
    let events = world.events();
    history::random(&events, 11, 10, 8).await;
    world.assert_stream_equals_log().await;
    // Nobody adds anything to a stream that is complete.
    history::random(&events, 12, 1, 1).await;
    world.assert_stream_equals_log().await;
    for relay in relays {
        assert!(relay.is_running());
        relay.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_killed_at_any_point_lose_and_double_nothing() {
    let world = World::start().await;
    let events = world.events();
    let selling = tokio::spawn(async move {
        for seed in 20..26 {
            history::random(&events, seed, 6, 6).await;
        }
    });
    let mut random = StdRng::seed_from_u64(20);
    let mut kills = 0;
    while kills < 20 || !selling.is_finished() {
        let (one, other) = (world.relay(), world.relay());
        tokio::time::sleep(Duration::from_millis(random.random_range(0..150))).await;
        one.kill().await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..50))).await;
        other.kill().await;
        kills += 2;
    }
    selling.await.unwrap();
    let _relay = world.relay();
    world.assert_stream_equals_log().await;
}

/// The relay died between the acknowledgement and the checkpoint, or never heard of the
/// acknowledgement.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_without_its_checkpoint_is_not_published_again() {
    let world = World::start().await;
    history::random(&world.events(), 30, 4, 4).await;
    let relay = world.relay();
    world.assert_stream_equals_log().await;
    let before = world.published().await;
    world.until_recorded(before).await;
    relay.stop().await;
    let remember = "CREATE TABLE checkpoint_then AS TABLE follower.checkpoint;
                    CREATE TABLE progress_then AS TABLE relay.progress;";
    sqlx::raw_sql(remember).execute(&world.pool).await.unwrap();

    history::random(&world.events(), 31, 4, 4).await;
    let relay = world.relay();
    world.assert_stream_equals_log().await;
    world.until_recorded(world.published().await).await;
    relay.stop().await;

    let forget = "DELETE FROM follower.checkpoint; DELETE FROM relay.progress;
                  INSERT INTO follower.checkpoint SELECT * FROM checkpoint_then;
                  INSERT INTO relay.progress SELECT * FROM progress_then;";
    sqlx::raw_sql(forget).execute(&world.pool).await.unwrap();
    history::random(&world.events(), 32, 1, 1).await;
    let relay = world.relay();
    world.assert_stream_equals_log().await;
    relay.stop().await;

    let forget_all = "DELETE FROM follower.checkpoint; DELETE FROM relay.progress;";
    sqlx::raw_sql(forget_all).execute(&world.pool).await.unwrap();
    history::random(&world.events(), 33, 1, 1).await;
    let _relay = world.relay();
    world.assert_stream_equals_log().await;
}
