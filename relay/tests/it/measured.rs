//! What the relay measures of itself, as Prometheus gets it.

use std::sync::OnceLock;

use async_nats::jetstream;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use relay::{Halt, Nats, Partition, Settings};

use crate::history;
use crate::world::{RunningRelay, World};

/// One for all tests of the process; each has a stream of its own name.
fn prometheus() -> &'static PrometheusHandle {
    static PROMETHEUS: OnceLock<PrometheusHandle> = OnceLock::new();
    PROMETHEUS.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}

/// None: it was never recorded.
fn measured(name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let rendered = prometheus().render();
    let lines = rendered.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    let of_all = |line: &&str| {
        labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")))
    };
    let line = lines.into_iter().find(of_all)?;
    line.rsplit(' ').next()?.parse().ok()
}

/// A relay with a stream of its own name.
fn relay(world: &World, stream: &str) -> RunningRelay {
    prometheus();
    let settings = Settings {
        stream: stream.to_owned(),
        nats: Nats::at(world.nats.url()),
        ..world.settings()
    };
    world.relay_with_settings(world.events(), world.pool.clone(), settings)
}

fn partition(stream: &str) -> Partition {
    Partition::all(stream, 1).remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_and_what_was_fenced_off_by_a_stranger() {
    const STREAM: &str = "FENCED-AT-THE-STREAM";
    let world = World::start().await;
    history::random(&world.events(), 95, 3, 3).await;
    let relay = relay(&world, STREAM);
    let verdict = world.until_verified(&partition(STREAM)).await;
    let of = |name| measured(name, &[("stream", STREAM)]);
    let published = world
        .until("the messages are counted".to_owned(), async || {
            of("relay_published_total").filter(|count| *count > 0.0 && settled(STREAM))
        })
        .await;
    assert_eq!(published, f64::from(u32::try_from(verdict.compared).unwrap()));
    assert_eq!(of("relay_ready"), Some(1.0));
    assert_eq!(of("relay_active"), Some(1.0));
    assert_eq!(of("relay_halted"), Some(0.0));
    assert_eq!(of("relay_fenced_total"), None);

    let stranger = jetstream::new(async_nats::connect(world.nats.url()).await.unwrap());
    let foreign = stranger.publish("ticketing.ticket.x.sold", "{}".into()).await.unwrap();
    foreign.await.unwrap();
    history::random(&world.events(), 96, 1, 1).await;
    assert!(matches!(relay.halted().await, Halt::ForeignMessage { .. }));
    let fenced = [("stream", STREAM), ("at", "stream")];
    assert_eq!(measured("relay_fenced_total", &fenced), Some(1.0));
    assert_eq!(of("relay_published_total"), Some(published));
    assert_eq!(of("relay_halted"), Some(1.0));
    assert_eq!(of("relay_active"), Some(0.0));
}

/// Nothing is on its way.
fn settled(stream: &str) -> bool {
    measured("relay_lag_seconds", &[("stream", stream)]) == Some(0.0)
}

/// Somebody moved the checkpoint under it: it stands down, looks where things are, and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_fenced_off_at_the_checkpoint() {
    const STREAM: &str = "FENCED-AT-THE-CHECKPOINT";
    let world = World::start().await;
    history::random(&world.events(), 97, 2, 2).await;
    let relay = relay(&world, STREAM);
    let before = world.until_verified(&partition(STREAM)).await.compared;
    world.until_recorded(before).await;
    sqlx::raw_sql("UPDATE follower.checkpoint SET prepare_position = prepare_position - 1")
        .execute(&world.pool)
        .await
        .unwrap();
    let fenced = [("stream", STREAM), ("at", "checkpoint")];
    let mut seed = 98;
    while measured("relay_fenced_total", &fenced).is_none() {
        history::random(&world.events(), seed, 1, 1).await;
        seed += 1;
    }
    let verdict = world.until_verified(&partition(STREAM)).await;
    assert!(verdict.compared > before);
    world.until_recorded(verdict.compared).await;
    assert_eq!(measured("relay_fenced_total", &fenced), Some(1.0));
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_again_into_a_stream_that_had_lost_it() {
    const STREAM: &str = "REFILLED";
    let world = World::start().await;
    history::random(&world.events(), 99, 2, 2).await;
    let first = relay(&world, STREAM);
    let published = world.until_verified(&partition(STREAM)).await.compared;
    world.until_recorded(published).await;
    first.stop().await;
    // As if three more had been acknowledged, and were gone after a power cut.
    sqlx::raw_sql("UPDATE relay.progress SET sequence = sequence + 3")
        .execute(&world.pool)
        .await
        .unwrap();
    let _second = relay(&world, STREAM);
    let refilled = world
        .until("the loss is counted".to_owned(), async || {
            measured("relay_refilled_total", &[("stream", STREAM)])
        })
        .await;
    assert_eq!(refilled, 3.0);
}
