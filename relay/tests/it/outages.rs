//! NATS, Postgres or the log away: the relay waits, and catches up.

use local_services::testing::TestPostgres;
use sqlx::PgPool;

use crate::history;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn with_nats_away_selling_goes_on_and_the_relay_catches_up() {
    let mut world = World::start().await;
    let relay = world.relay();
    history::random(&world.events(), 40, 4, 4).await;
    world.assert_stream_equals_log().await;
    for seed in 41..44 {
        let events = world.events();
        let selling = tokio::spawn(async move { history::random(&events, seed, 6, 6).await });
        world.nats.stop().await;
        selling.await.unwrap();
        assert!(relay.is_running());
        world.nats.start_again().await;
        world.assert_stream_equals_log().await;
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_starts_while_nats_is_away_waits_for_it() {
    let mut world = World::start().await;
    world.nats.stop().await;
    let relay = world.relay();
    history::random(&world.events(), 45, 3, 3).await;
    assert!(relay.is_running());
    world.nats.start_again().await;
    world.assert_stream_equals_log().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_postgres_away_the_relay_waits_and_catches_up() {
    let world = World::start().await;
    let mut postgres = TestPostgres::start().await;
    let pool = PgPool::connect(postgres.url()).await.unwrap();
    let relay = world.relay_with(world.events(), pool);
    history::random(&world.events(), 46, 3, 3).await;
    world.assert_stream_equals_log().await;
    postgres.stop().await;
    history::random(&world.events(), 47, 3, 3).await;
    assert!(relay.is_running());
    postgres.start_again().await;
    world.assert_stream_equals_log().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_log_comes_back_the_relay_goes_on() {
    let mut world = World::start().await;
    let relay = world.relay();
    history::random(&world.events(), 48, 3, 3).await;
    world.assert_stream_equals_log().await;
    world.log.restart().await;
    history::random(&world.events(), 49, 3, 3).await;
    world.assert_stream_equals_log().await;
    relay.stop().await;
}
