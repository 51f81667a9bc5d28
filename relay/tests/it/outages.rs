//! NATS, Postgres or the log away: the relay waits, and catches up.

use std::time::{Duration, Instant};

use local_services::testing::TestPostgres;
use sqlx::PgPool;

use crate::history;
use crate::world::{World, plain};

/// For a hundred commands, which take a fraction of a second; this is for a busy machine.
const SELLING_MAX: Duration = Duration::from_secs(30);

/// `RELAY_OUTAGE_SECONDS` makes it long, as `make nightly` does.
#[tokio::test(flavor = "multi_thread")]
async fn with_nats_away_selling_goes_on_and_the_relay_catches_up() {
    let mut world = World::start().await;
    let relay = world.relay();
    history::random(&world.events(), 40, 4, 4).await;
    world.assert_stream_equals_log().await;
    world.nats.stop().await;
    let (away, outage) = (Instant::now(), outage());
    let mut seed = 41;
    while away.elapsed() < outage {
        // Each command succeeds, or the history panics.
        let begun = Instant::now();
        history::random(&world.events(), seed, 4, 4).await;
        assert!(begun.elapsed() < SELLING_MAX, "selling waits for NATS");
        assert!(relay.is_running());
        seed += 1;
    }
    world.nats.start_again().await;
    let verdict = world.until_verified(&plain()).await;
    let public = world.log_facts().await.len();
    assert_eq!(verdict.compared, u64::try_from(public).unwrap());
    relay.stop().await;
}

#[allow(clippy::disallowed_methods, reason = "whoever runs the tests says how long NATS is away")]
fn outage() -> Duration {
    let seconds = std::env::var("RELAY_OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(3))
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

/// The stream itself says what it holds; only a checkpoint stays behind.
#[tokio::test(flavor = "multi_thread")]
async fn with_postgres_away_a_relay_at_work_publishes_on_and_its_checkpoint_catches_up() {
    let world = World::start().await;
    let mut postgres = TestPostgres::start().await;
    let pool = PgPool::connect(postgres.url()).await.unwrap();
    let relay = world.relay_with(world.events(), pool.clone());
    history::random(&world.events(), 46, 3, 3).await;
    world.assert_stream_equals_log().await;
    postgres.stop().await;
    history::random(&world.events(), 47, 3, 3).await;
    world.assert_stream_equals_log().await;
    postgres.start_again().await;
    let published = world.published().await;
    world.until_recorded_in(&pool, published).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_postgres_away_a_relay_that_must_look_waits_for_it() {
    let mut world = World::start().await;
    let mut postgres = TestPostgres::start().await;
    let pool = PgPool::connect(postgres.url()).await.unwrap();
    let relay = world.relay_with(world.events(), pool);
    history::random(&world.events(), 34, 3, 3).await;
    world.assert_stream_equals_log().await;
    postgres.stop().await;
    world.nats.stop().await;
    history::random(&world.events(), 35, 3, 3).await;
    world.nats.start_again().await;
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
