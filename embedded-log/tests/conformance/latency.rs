//! How long one append takes on its own. Printed and not asserted: it depends on the disk.

use std::time::{Duration, Instant};

use eventstore::StreamState;

use crate::support::{Server, append, event, stream};

const APPENDS: u64 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_append_waits_for_no_delayed_acknowledgement() {
    let server = Server::start().await;
    let stream = stream("latency");
    let mut took = Vec::new();
    for number in 0..APPENDS {
        let started = Instant::now();
        append(&server.client, &stream, StreamState::Any, vec![event(number)]).await.unwrap();
        took.push(started.elapsed());
    }
    took.sort();
    let percentile = |percent: usize| took[took.len() * percent / 100];
    println!("append: p50 {:?}, p99 {:?}", percentile(50), percentile(99));

    let batch = server.client.batch_append(&Default::default()).await.unwrap();
    let started = Instant::now();
    for number in 0..APPENDS {
        batch.append_to_stream(&stream, StreamState::Any, vec![event(number)]).await.unwrap();
    }
    println!("batch append: {:?} on average", started.elapsed() / 200);
    assert!(percentile(50) < Duration::from_secs(1));
}
