//! A cluster of three NATS servers, each message on all of them.

use std::time::Duration;

use async_nats::jetstream;
use local_services::testing::TestNatsCluster;
use relay::{Limits, Nats, Settings};
use tokio_util::sync::CancellationToken;

use crate::history;
use crate::world::{World, plain};

/// An event or two at a time, so that the log of the test stays short while servers vote.
const SELL_EVERY: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_on_three_servers_outlives_its_leader() {
    let (world, mut cluster) = (World::start().await, TestNatsCluster::start().await);
    let nats = Nats::at(cluster.url());
    let settings = || Settings {
        nats: nats.clone(),
        limits: Limits { replicas: 3, ..Limits::default() },
        ..world.settings()
    };
    let relay = || world.relay_with_settings(world.events(), world.pool.clone(), settings());
    let relays = [relay(), relay()];
    let (events, enough) = (world.events(), CancellationToken::new());
    let until = enough.clone();
    let selling = tokio::spawn(async move {
        let (mut seed, mut pace) = (90, tokio::time::interval(SELL_EVERY));
        while !until.is_cancelled() {
            history::random(&events, seed, 1, 2).await;
            seed += 1;
            pace.tick().await;
        }
    });
    let watcher = Watcher::at(&cluster.url()).await;
    let before = world
        .until("a stream on three servers".to_owned(), async || {
            watcher.look().await.filter(|seen| seen.messages > 0 && seen.replicas == 3)
        })
        .await;
    cluster.server(&before.leader).kill().await;
    let after = world
        .until("another leader takes in events".to_owned(), async || {
            let seen = watcher.look().await?;
            (seen.leader != before.leader && seen.messages > before.messages).then_some(seen)
        })
        .await;
    cluster.server(&before.leader).start_again().await;
    enough.cancel();
    selling.await.unwrap();
    let verdict = world.until_verified_at(&nats, &plain()).await;
    assert!(verdict.compared >= after.messages);
    assert_eq!(verdict.digests[0], verdict.digests[1]);
    for relay in relays {
        relay.stop().await;
    }
}

struct Watcher(jetstream::Context);

struct Seen {
    leader: String,
    messages: u64,
    /// Servers that have everything.
    replicas: usize,
}

impl Watcher {
    async fn at(url: &str) -> Self {
        let servers: Vec<&str> = url.split(',').collect();
        Self(jetstream::new(async_nats::connect(servers).await.unwrap()))
    }

    /// None: nobody answers at the moment, or nobody leads.
    async fn look(&self) -> Option<Seen> {
        let stream = self.0.get_stream(relay::STREAM).await.ok()?;
        let info = stream.cached_info();
        let cluster = info.cluster.as_ref()?;
        let replicas = cluster.replicas.iter().filter(|replica| replica.current).count() + 1;
        let (leader, messages) = (cluster.leader.clone()?, info.state.messages);
        Some(Seen { leader, messages, replicas })
    }
}
