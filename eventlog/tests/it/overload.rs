//! More is asked at once than there is room for.

use domain::Ticket;
use embedded_log::testing::TestLog;
use eventlog::{ExecuteError, LogError};
use futures::future::join_all;

use crate::support::{Wire, at, cause, held, listed, new_order, new_ticket, process, reserve};

/// More than wait for one stream, and fewer than wait in all.
const CROWD: usize = 6_000;
/// More than there is room for in one process.
const FLOOD: usize = 20_000;

fn overloaded<T, R>(answer: &Result<T, ExecuteError<R>>) -> bool {
    matches!(answer, Err(ExecuteError::Log(LogError::Overloaded)))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_crowd_at_one_stream_some_are_told_to_come_again_and_none_of_those_had_an_effect() {
    let server = TestLog::start().await;
    let log = process(&server);
    let ticket = listed(&log, 10_000).await;
    let commands: Vec<_> = (0..CROWD).map(|_| (new_order(), cause())).collect();
    let asked = || {
        join_all(
            commands.iter().map(|(order, it)| log.execute::<Ticket>(&ticket, reserve(*order), it)),
        )
    };
    let answers = asked().await;
    let refused = answers.iter().filter(|answer| overloaded(answer)).count();
    assert!(refused > 0 && refused < CROWD, "{refused} refused");
    assert!(answers.iter().all(|answer| answer.is_ok() || overloaded(answer)));
    let accepted = u32::try_from(CROWD - refused).unwrap();
    let loaded = process(&server).load::<Ticket>(&ticket).await.unwrap();
    assert_eq!(loaded.state.listing().unwrap().held, accepted);
    assert!(asked().await.iter().filter(|answer| answer.is_ok()).count() > refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_over_all_streams_is_turned_away_at_once_and_leaves_no_mark() {
    let server = TestLog::start().await;
    let wire = Wire::to(server.address()).await;
    let log = at(&wire.connection_string());
    let ticket = listed(&log, 10).await;
    wire.silence();
    // So many streams that none of them is full.
    let tickets = [(); FLOOD / 4_000].map(|()| new_ticket());
    let commands: Vec<_> = (0..FLOOD).map(|n| (tickets[n % tickets.len()], cause())).collect();
    let asked = commands
        .iter()
        .map(async |(ticket, it)| log.execute::<Ticket>(ticket, reserve(new_order()), it).await);
    let answers = join_all(asked).await;
    assert!(answers.iter().all(Result::is_err));
    assert!(answers.iter().any(overloaded), "there is room for any number");

    let (order, cause) = (new_order(), cause());
    let executed = crate::support::eventually("there is room again", async || {
        log.execute::<Ticket>(&ticket, reserve(order), &cause).await.ok()
    });
    assert_eq!(held(&executed.await), 1);
}
