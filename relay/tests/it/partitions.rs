//! Several streams, several processes: each event in one stream, each stream with one at work.

use std::collections::HashMap;

use relay::{Partition, Settings, Sharing};

use crate::history;
use crate::world::{RunningRelay, World};

fn partitions() -> Vec<Partition> {
    Partition::all(relay::STREAM, 4)
}

fn relay(world: &World) -> RunningRelay {
    let settings = Settings { partitions: 4, sharing: Sharing::Leases, ..world.settings() };
    world.relay_with_settings(world.events(), world.pool.clone(), settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_together_hold_every_event_once_under_its_usual_subject() {
    let world = World::start().await;
    history::random(&world.events(), 70, 12, 4).await;
    let _relay = relay(&world);
    let mut facts = Vec::new();
    for partition in partitions() {
        let verdict = world.until_verified(&partition).await;
        assert!(verdict.compared > 0, "{} stays empty", partition.stream());
        facts.extend(world.facts_of(&partition.stream()).await);
    }
    facts.sort_by_key(|fact| fact.position);
    assert_eq!(facts, world.log_facts().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_the_partitions_and_take_over_from_one_that_is_killed() {
    let world = World::start().await;
    let (one, other) = (relay(&world), relay(&world));
    until_shared(&world, &[2, 2]).await;
    history::random(&world.events(), 71, 8, 3).await;
    one.kill().await;
    until_shared(&world, &[4]).await;
    // One that comes later gets its share, too.
    let third = relay(&world);
    until_shared(&world, &[2, 2]).await;
    history::random(&world.events(), 72, 8, 3).await;
    // One that ends in order leaves nothing to wait for.
    other.stop().await;
    until_shared(&world, &[4]).await;
    for partition in partitions() {
        world.until_verified(&partition).await;
    }
    assert!(third.is_running());
}

/// Waits until so many streams each are in the hands of so many processes.
async fn until_shared(world: &World, expected: &[usize]) {
    let desk = world.desk();
    world
        .until(format!("shared as {expected:?}"), async || {
            let mut counts: HashMap<_, usize> = HashMap::new();
            for partition in partitions() {
                if let Some(holder) = desk.status(&partition).await.ok()?.holder {
                    *counts.entry(holder).or_default() += 1;
                }
            }
            let counts: Vec<usize> = counts.into_values().collect();
            (counts == expected).then_some(())
        })
        .await;
}
