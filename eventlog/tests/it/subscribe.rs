use std::pin::pin;

use domain::{DomainEvent, Position, Recorded};
use embedded_log::testing::TestLog;
use eventlog::{Delivery, EventLog};
use futures::StreamExt;

use crate::support::{PATIENCE, listed, process, write_raw};

/// Everything up to the first time there is nothing more.
async fn all(
    log: &EventLog,
    after: Option<Position>,
) -> (Vec<Recorded<DomainEvent>>, Option<Position>) {
    let mut deliveries = pin!(log.subscribe(after));
    let mut events = Vec::new();
    let mut end = after;
    let reading = async {
        while let Some(delivery) = deliveries.next().await {
            match delivery.unwrap() {
                Delivery::CaughtUp => break,
                Delivery::Checkpoint(position) => end = Some(position),
                Delivery::Event(event) => {
                    end = Some(event.position);
                    events.push(event);
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
    (events, end)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_ours_comes_in_order_and_nothing_of_others() {
    let server = TestLog::start().await;
    let log = process(&server);
    let mut tickets = Vec::new();
    for n in 0..25 {
        tickets.push(format!("ticket-{}", listed(&log, 1).await));
        write_raw(&server, &format!("another-{n}"), "Whatever", "{}").await;
    }
    let (events, end) = all(&log, None).await;
    assert_eq!(events.iter().map(|it| it.stream.clone()).collect::<Vec<_>>(), tickets);
    assert!(events.is_sorted_by(|a, b| a.position < b.position));
    assert!(end > events.last().map(|it| it.position), "the end lies past the last of others");
    assert_eq!(log.head().await.unwrap(), events.last().map(|it| it.position));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_starts_after_the_position_it_is_given() {
    let server = TestLog::start().await;
    let log = process(&server);
    for _ in 0..10 {
        listed(&log, 1).await;
    }
    let (events, end) = all(&log, None).await;
    let (rest, _) = all(&log, Some(events[6].position)).await;
    assert_eq!(rest, events[7..]);
    assert_eq!(all(&log, end).await.0, Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_end_a_subscription_goes_on_with_what_is_new_until_the_log_goes_away() {
    let mut server = TestLog::start().await;
    let log = process(&server);
    let mut deliveries = pin!(log.subscribe(None));
    while deliveries.next().await.unwrap().unwrap() != Delivery::CaughtUp {}
    let ticket = listed(&log, 1).await;
    let event = loop {
        match deliveries.next().await.unwrap().unwrap() {
            Delivery::Event(event) => break event,
            Delivery::Checkpoint(_) | Delivery::CaughtUp => {}
        }
    };
    assert_eq!(event.stream, format!("ticket-{ticket}"));
    server.stop().await;
    let last = loop {
        if let Err(error) = deliveries.next().await.unwrap() {
            break error;
        }
    };
    assert!(last.is_unavailable(), "{last}");
    assert!(deliveries.next().await.is_none());
}
