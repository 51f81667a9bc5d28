use std::time::Duration;

use domain::Ticket;
use embedded_log::testing::TestLog;
use tokio::time::Instant;

use crate::support::{
    Fuse, FuseCommand, PATIENCE, cause, listed, new_order, new_ticket, process, reserve,
};

fn held(ticket: &Ticket) -> u32 {
    ticket.listing().map_or(0, |listing| listing.held)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_what_is_so_already_is_answered_at_once() {
    let server = TestLog::start().await;
    let log = process(&server);
    let ticket = listed(&log, 1).await;
    let loaded = log.wait_until::<Ticket>(&ticket, PATIENCE, |it| it.listing().is_some());
    assert_eq!(loaded.await.unwrap().revision.unwrap().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_answered_when_another_process_brings_it_about_even_over_a_restart() {
    let mut server = TestLog::start().await;
    let (log, other) = (process(&server), process(&server));
    let ticket = listed(&other, 10).await;
    let waiting = tokio::spawn(async move {
        log.wait_until::<Ticket>(&ticket, PATIENCE, |it| held(it) == 2).await
    });
    let first = other.execute::<Ticket>(&ticket, reserve(new_order()), &cause()).await.unwrap();
    server.restart().await;
    let second = other.execute::<Ticket>(&ticket, reserve(new_order()), &cause()).await.unwrap();
    let loaded = waiting.await.unwrap().unwrap();
    assert!(second.position > first.position);
    assert_eq!(loaded.state, second.state);
    assert_eq!((loaded.revision, loaded.position), (second.revision, second.position));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_takes_every_event_into_the_state_once() {
    let server = TestLog::start().await;
    let (log, other) = (process(&server), process(&server));
    let fuse = new_ticket();
    let light = async || {
        other.execute::<Fuse>(&fuse, FuseCommand::Light, &cause()).await.unwrap();
    };
    light().await;
    light().await;
    let loaded = log.wait_until::<Fuse>(&fuse, PATIENCE, |fuse| fuse.lit >= 3);
    let (loaded, ()) = tokio::join!(loaded, light());
    let loaded = loaded.unwrap();
    assert_eq!((loaded.state.lit, loaded.revision.unwrap().0), (3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_time_is_over_the_state_is_given_as_it_is() {
    let server = TestLog::start().await;
    let log = process(&server);
    let started = Instant::now();
    let within = Duration::from_millis(100);
    let loaded = log.wait_until::<Ticket>(&new_ticket(), within, |it| held(it) > 0).await.unwrap();
    assert_eq!(loaded.state, Ticket::Unlisted);
    assert!(started.elapsed() >= within);
}
