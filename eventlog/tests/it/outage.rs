use std::pin::pin;
use std::time::Duration;

use domain::Ticket;
use embedded_log::testing::TestLog;
use eventlog::{Delivery, ExecuteError, LogError};
use futures::StreamExt;
use futures::future::join_all;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::{
    Wire, at, cause, eventually, held, list, listed, new_order, new_ticket, process, reserve,
};

/// Told within this time that the log is away: a second, and what a busy machine adds.
const TOLD_WITHIN: Duration = Duration::from_millis(1_500);
/// All goes on within this time when it is back.
const BACK_WITHIN: Duration = Duration::from_secs(2);

fn unavailable<T, R>(answer: Result<T, ExecuteError<R>>) -> bool {
    matches!(answer, Err(ExecuteError::Log(LogError::Unavailable(_))))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_there_is_said_to_be_unavailable_in_time() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let log = at(&format!("kurrentdb://{nobody}?tls=false"));
    for call in ["ready", "load", "head"] {
        let started = Instant::now();
        let error = match call {
            "ready" => log.ready().await.unwrap_err(),
            "load" => log.load::<Ticket>(&new_ticket()).await.unwrap_err(),
            _ => log.head().await.unwrap_err(),
        };
        assert!(error.is_unavailable());
        assert!(started.elapsed() < TOLD_WITHIN, "{call}: {:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_never_answers_keeps_nobody_waiting_for_long() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let log = at(&format!("kurrentdb://{}?tls=false", silent.local_addr().unwrap()));
    let started = Instant::now();
    assert!(log.ready().await.unwrap_err().is_unavailable());
    assert!(started.elapsed() < TOLD_WITHIN, "{:?}", started.elapsed());
    let (ticket, first) = (new_ticket(), cause());
    let started = Instant::now();
    assert!(unavailable(log.execute::<Ticket>(&ticket, list(1), &first).await));
    assert!(started.elapsed() < TOLD_WITHIN, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_log_goes_away_all_are_told_and_when_it_is_back_all_goes_on() {
    let mut server = TestLog::start().await;
    let log = process(&server);
    let ticket = listed(&log, 1_000).await;
    server.stop().await;

    let started = Instant::now();
    let commands: Vec<_> = (0..1_000).map(|_| (new_order(), cause())).collect();
    let asked =
        commands.iter().map(|(order, it)| log.execute::<Ticket>(&ticket, reserve(*order), it));
    assert!(join_all(asked).await.into_iter().all(unavailable));
    assert!(started.elapsed() < TOLD_WITHIN, "{:?}", started.elapsed());
    assert!(log.load::<Ticket>(&ticket).await.unwrap_err().is_unavailable());
    assert!(log.ready().await.unwrap_err().is_unavailable());

    server.restart().await;
    let back = Instant::now();
    eventually("the log is ready again", async || log.ready().await.ok()).await;
    // Those who were told so ask again, under the same keys.
    let asked =
        commands.iter().map(|(order, it)| log.execute::<Ticket>(&ticket, reserve(*order), it));
    assert!(join_all(asked).await.iter().all(Result::is_ok));
    assert!(back.elapsed() < BACK_WITHIN, "{:?}", back.elapsed());
    let loaded = process(&server).load::<Ticket>(&ticket).await.unwrap();
    assert_eq!(loaded.state.listing().unwrap().held, 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_outage_is_not_noticed_by_who_asks_meanwhile() {
    let mut server = TestLog::start().await;
    let log = process(&server);
    let ticket = listed(&log, 100).await;
    server.stop().await;
    let (order, cause) = (new_order(), cause());
    let asked = log.execute::<Ticket>(&ticket, reserve(order), &cause);
    let (answer, ()) = tokio::join!(asked, server.restart());
    assert_eq!(held(&answer.unwrap()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_answer_was_lost_takes_effect_once_and_is_answered() {
    let server = TestLog::start().await;
    let wire = Wire::to(server.address()).await;
    let log = at(&wire.connection_string());
    let ticket = listed(&log, 100).await;
    for n in 1..=10 {
        wire.lose_the_next_answer();
        let cause = cause();
        let executed = log.execute::<Ticket>(&ticket, reserve(new_order()), &cause).await.unwrap();
        assert_eq!(held(&executed), n, "once, although it was sent twice");
        assert_eq!((executed.events.len(), executed.repeated), (1, None));
    }
    assert_eq!(wire.lost(), 10);
    let loaded = process(&server).load::<Ticket>(&ticket).await.unwrap();
    assert_eq!(loaded.revision.unwrap().0, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_under_load_neither_lose_nor_double_a_command() {
    let server = TestLog::start().await;
    let wire = Wire::to(server.address()).await;
    let (log, other) = (at(&wire.connection_string()), process(&server));
    let ticket = listed(&log, 1_000).await;
    for _ in 0..5 {
        wire.lose_the_next_answer();
        let commands: Vec<_> = (0..60).map(|_| (new_order(), cause())).collect();
        let asked = commands.iter().enumerate().map(async |(n, (order, it))| {
            let log = if n % 3 == 0 { &other } else { &log };
            eventually("the command is accepted", async || {
                match log.execute::<Ticket>(&ticket, reserve(*order), it).await {
                    Ok(executed) => Some(executed),
                    Err(
                        ExecuteError::Contended { .. }
                        | ExecuteError::Log(LogError::Unavailable(_)),
                    ) => None,
                    Err(error) => panic!("{error:?}"),
                }
            })
            .await
        });
        join_all(asked).await;
    }
    let loaded = other.load::<Ticket>(&ticket).await.unwrap();
    assert_eq!(loaded.state.listing().unwrap().held, 300);
    assert_eq!(loaded.revision.unwrap().0, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_went_silent_is_given_up_and_a_new_one_made() {
    let server = TestLog::start().await;
    let wire = Wire::to(server.address()).await;
    let log = at(&wire.connection_string());
    let ticket = listed(&log, 100).await;
    let mut deliveries = pin!(log.subscribe(None));
    while deliveries.next().await.unwrap().unwrap() != Delivery::CaughtUp {}

    wire.silence();
    let (order, first) = (new_order(), cause());
    let started = Instant::now();
    assert!(unavailable(log.execute::<Ticket>(&ticket, reserve(order), &first).await));
    assert!(started.elapsed() < TOLD_WITHIN, "{:?}", started.elapsed());
    let started = Instant::now();
    let executed = log.execute::<Ticket>(&ticket, reserve(order), &first).await.unwrap();
    assert_eq!(held(&executed), 1);
    assert!(started.elapsed() < BACK_WITHIN, "{:?}", started.elapsed());
    let ended = async { while let Some(Ok(_)) = deliveries.next().await {} };
    tokio::time::timeout(BACK_WITHIN, ended).await.expect("the subscription ended too");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_conflict_only_what_is_new_is_read() {
    const HISTORY: u32 = 500;
    let server = TestLog::start().await;
    let wire = Wire::to(server.address()).await;
    let (log, other) = (at(&wire.connection_string()), process(&server));
    let ticket = listed(&log, 1_000).await;
    let causes: Vec<_> = (0..HISTORY).map(|_| cause()).collect();
    join_all(causes.iter().map(|it| log.execute::<Ticket>(&ticket, reserve(new_order()), it)))
        .await;
    other.execute::<Ticket>(&ticket, reserve(new_order()), &cause()).await.unwrap();

    let before = wire.carried();
    let executed = log.execute::<Ticket>(&ticket, reserve(new_order()), &cause()).await.unwrap();
    assert_eq!(executed.revision.unwrap().0, u64::from(HISTORY) + 2);
    let read = wire.carried() - before;
    assert!(read < 20_000, "{read} bytes for one new event");

    let before = wire.carried();
    at(&wire.connection_string()).load::<Ticket>(&ticket).await.unwrap();
    assert!(wire.carried() - before > 100_000, "what the whole stream takes");
}
