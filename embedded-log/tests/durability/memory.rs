//! What the server holds in memory.

use eventstore::{StreamPosition, SubscribeToAllOptions, Subscription};

use crate::child::{Victim, after, append, sized_event, soon};

const SUBSCRIBERS: usize = 60;
const EVENT_BYTES: usize = 128 * 1024;
const EVENTS_PER_APPEND: u64 = 24;
/// Appends before anybody subscribes, and after.
const APPENDS_FIRST: u64 = 2;
const APPENDS_MORE: u64 = 20;
/// The store's own buffers and caches, and the page each subscriber is at. What the subscribers have
/// not read yet is more than 3 GiB.
const GROWTH_BYTES_MAX: u64 = 200 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_that_stop_reading_take_no_memory_as_the_log_grows() {
    let directory = tempfile::tempdir().unwrap();
    let victim = Victim::start(directory.path()).await;
    let Some(_) = resident_bytes(&victim) else {
        println!("skipped: there is no /proc to tell how much memory a process takes");
        return;
    };
    grow(&victim, 0, APPENDS_FIRST).await;
    let mut stalled = Vec::new();
    for _ in 0..SUBSCRIBERS {
        // Each on a connection of its own, or those before would leave it no room on theirs.
        let options = SubscribeToAllOptions::default().position(StreamPosition::Start);
        let mut subscription = victim.connect().subscribe_to_all(&options).await;
        soon("the first event", subscription.next()).await.unwrap();
        stalled.push(subscription);
    }
    let before = resident_bytes(&victim).unwrap();

    grow(&victim, APPENDS_FIRST, APPENDS_FIRST + APPENDS_MORE).await;
    let end = last_position_reached(&victim).await;
    let grown = resident_bytes(&victim).unwrap().saturating_sub(before);
    println!("{} MiB more", grown / 1024 / 1024);
    assert!(grown <= GROWTH_BYTES_MAX, "{} MiB more", grown / 1024 / 1024);

    // They lost nothing by it.
    let mut last = stalled.swap_remove(0);
    while soon("the rest", next_position(&mut last)).await < end {}
}

/// Appends to stream `s`, which has so many appends, up to so many.
async fn grow(victim: &Victim, from: u64, to: u64) {
    let client = victim.connect();
    for number in from..to {
        let length = number * EVENTS_PER_APPEND;
        let events = (length..length + EVENTS_PER_APPEND).map(|n| sized_event(n, EVENT_BYTES));
        append(&client, "s", after(length), events.collect()).await.unwrap();
    }
}

/// Of the last event there is, once somebody who reads was given all of them.
async fn last_position_reached(victim: &Victim) -> u64 {
    let options = SubscribeToAllOptions::default().position(StreamPosition::Start);
    let mut reading = victim.connect().subscribe_to_all(&options).await;
    let mut last = 0;
    for _ in 0..(APPENDS_FIRST + APPENDS_MORE) * EVENTS_PER_APPEND {
        last = soon("all events", next_position(&mut reading)).await;
    }
    last
}

async fn next_position(subscription: &mut Subscription) -> u64 {
    subscription.next().await.unwrap().get_original_event().position.commit
}

/// What the server has in memory now.
fn resident_bytes(victim: &Victim) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", victim.process_id())).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = resident.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
