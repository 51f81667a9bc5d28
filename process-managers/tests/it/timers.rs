//! How late timers are beside many open reservations. By hand, as filling takes its time:
//! `cargo nextest run --release -p process-managers timers --run-ignored only --no-capture`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use domain::id::{OrderId, TicketId};
use domain::order::OrderEvent;
use domain::ticket::TicketEvent;
use domain::{DomainEvent, Timestamp};
use eventlog::Delivery;
use futures::{StreamExt, stream};
use process_managers::Tuning;

use crate::world::{World, eventually};

const OPEN: u32 = 100_000;
/// How many of the reservations end while it is measured, spread over so long.
const DUE: u32 = 5_000;
const SPREAD: Duration = Duration::from_secs(20);
const TICKETS: u32 = 200;
const AT_ONCE: usize = 256;
const LATE_MAX: Duration = Duration::from_secs(1);

async fn fill(world: &World, tickets: &[TicketId], ends: impl Iterator<Item = Timestamp>) {
    stream::iter(ends.zip(tickets.iter().cycle()))
        .map(async |(expires_at, ticket)| {
            let order = world.reserve(*ticket, expires_at).await;
            world.place(order, *ticket, expires_at).await;
        })
        .buffer_unordered(AT_ONCE)
        .for_each(async |()| ())
        .await;
}

/// When each order was to end, when it ended, and how often its units came free.
async fn history(world: &World) -> HashMap<OrderId, (Timestamp, Vec<Timestamp>, u32)> {
    let mut orders: HashMap<OrderId, (Timestamp, Vec<Timestamp>, u32)> = HashMap::new();
    let mut deliveries = Box::pin(world.log.subscribe(None));
    while let Some(delivery) = deliveries.next().await {
        let recorded = match delivery.unwrap() {
            Delivery::Event(recorded) => recorded,
            Delivery::Checkpoint(_) => continue,
            Delivery::CaughtUp => break,
        };
        let id = || recorded.stream.split_once('-').unwrap().1.parse().unwrap();
        if let DomainEvent::Order(OrderEvent::OrderPlaced(terms)) = &recorded.event {
            orders.insert(id(), (terms.expires_at, Vec::new(), 0));
        } else if let DomainEvent::Order(OrderEvent::OrderExpired(_)) = &recorded.event {
            orders.get_mut(&id()).unwrap().1.push(recorded.metadata.occurred_at);
        } else if let DomainEvent::Ticket(TicketEvent::TicketReleased(released)) = &recorded.event {
            orders.get_mut(&released.order).unwrap().2 += 1;
        }
    }
    orders
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fills 100,000 reservations"]
async fn beside_100_000_open_reservations_a_timer_is_late_by_a_second_at_most() {
    let world = World::tuned(Tuning::default()).await;
    let mut tickets = Vec::new();
    for _ in 0..TICKETS {
        tickets.push(world.list((OPEN + DUE) / TICKETS + 1).await);
    }
    let began = Instant::now();
    let far = Utc::now() + TimeDelta::days(1);
    fill(&world, &tickets, (0..OPEN).map(|_| far)).await;
    let _working = world.start();
    eventually_all(&world).await;
    println!("{OPEN} open reservations after {:.0?}", began.elapsed());

    let first = Utc::now() + TimeDelta::seconds(20);
    let step = TimeDelta::from_std(SPREAD / DUE).unwrap();
    let ends = (0..i32::try_from(DUE).unwrap()).map(|number| first + step * number);
    fill(&world, &tickets, ends).await;
    assert!(Utc::now() < first, "filling took longer than the first timer");
    let over = (first + TimeDelta::from_std(SPREAD).unwrap() - Utc::now()).to_std().unwrap();
    tokio::time::sleep(over + Duration::from_secs(5)).await;

    let orders = history(&world).await;
    assert_eq!(orders.len(), usize::try_from(OPEN + DUE).unwrap());
    let mut late = Vec::new();
    for (order, (expires_at, expired, released)) in &orders {
        let due = *expires_at < far;
        assert_eq!(expired.len(), usize::from(due), "{order} ended so often");
        assert_eq!(*released, u32::from(due), "the units of {order} came free so often");
        late.extend(expired.iter().map(|at| (*at - *expires_at).num_milliseconds()));
    }
    late.sort_unstable();
    let at = |share: usize| late[(late.len() - 1) * share / 1000];
    println!(
        "{} timers late by, in ms: median {}, 90% {}, 99% {}, 99.9% {}, most {}",
        late.len(),
        at(500),
        at(900),
        at(990),
        at(999),
        at(1000)
    );
    assert!(late[0] >= 0, "one was early");
    assert!(at(1000) <= i64::try_from(LATE_MAX.as_millis()).unwrap());
}

/// Waits until every process manager knows of everything that is in the log.
async fn eventually_all(world: &World) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !world.caught_up().await {
        assert!(Instant::now() < deadline, "the lists are not filled");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eventually("all on the list", async || world.tasks_of("order-expiry").await >= i64::from(OPEN))
        .await;
}
