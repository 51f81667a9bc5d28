use std::collections::BTreeSet;

use domain::Ticket;
use domain::id::TicketId;
use domain::ticket::TicketRejection;
use embedded_log::testing::TestLog;
use eventlog::{EventLog, ExecuteError};
use futures::future::join_all;

use crate::support::{cause, list, listed, new_order, new_ticket, process, reserve};

async fn held(log: &EventLog, ticket: &TicketId) -> u32 {
    log.load::<Ticket>(ticket).await.unwrap().state.listing().unwrap().held
}

/// Reserves a unit as a client does that tries again when it is told to.
async fn reserve_one(log: &EventLog, ticket: &TicketId) -> u64 {
    let (order, cause) = (new_order(), cause());
    loop {
        match log.execute::<Ticket>(ticket, reserve(order), &cause).await {
            Ok(executed) => return executed.revision.unwrap().0,
            Err(ExecuteError::Contended { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_that_race_for_the_last_unit_exactly_one_wins() {
    let server = TestLog::start().await;
    let processes = [process(&server), process(&server)];
    for _ in 0..20 {
        let ticket = listed(&processes[0], 1).await;
        let (first, second) = (cause(), cause());
        let (first, second) = tokio::join!(
            processes[0].execute::<Ticket>(&ticket, reserve(new_order()), &first),
            processes[1].execute::<Ticket>(&ticket, reserve(new_order()), &second),
        );
        let mut won = 0;
        for outcome in [first, second] {
            match outcome {
                Ok(executed) => won += executed.events.len(),
                Err(ExecuteError::Rejected(TicketRejection::NotEnoughLeft { left: 0 })) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(held(&processes[0], &ticket).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_that_begin_the_same_stream_exactly_one_does() {
    let server = TestLog::start().await;
    let processes = [process(&server), process(&server)];
    for _ in 0..20 {
        let ticket = new_ticket();
        let (first, second) = (cause(), cause());
        let (first, second) = tokio::join!(
            processes[0].execute::<Ticket>(&ticket, list(1), &first),
            processes[1].execute::<Ticket>(&ticket, list(1), &second),
        );
        assert_eq!([first, second].iter().filter(|outcome| outcome.is_ok()).count(), 1);
        let loaded = process(&server).load::<Ticket>(&ticket).await.unwrap();
        assert_eq!(loaded.revision.unwrap().0, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_commands_to_one_hot_stream_are_all_answered_each_at_its_own_revision() {
    let server = TestLog::start().await;
    let log = process(&server);
    let ticket = listed(&log, 600).await;
    let revisions = join_all((0..600).map(|_| reserve_one(&log, &ticket))).await;
    let distinct: BTreeSet<u64> = revisions.into_iter().collect();
    assert_eq!(distinct, (1..=600).collect());
    assert_eq!(held(&process(&server), &ticket).await, 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_command_among_accepted_ones_touches_none_of_them() {
    let server = TestLog::start().await;
    let log = process(&server);
    let ticket = listed(&log, 50).await;
    let causes: Vec<_> = (0..120).map(|_| cause()).collect();
    let asked = causes.iter().map(|it| log.execute::<Ticket>(&ticket, reserve(new_order()), it));
    let answers = join_all(asked).await;
    let refused = answers.iter().filter(|answer| {
        matches!(answer, Err(ExecuteError::Rejected(TicketRejection::NotEnoughLeft { left: 0 })))
    });
    assert_eq!(refused.count(), 70);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_hot_stream_lose_nothing_and_do_not_fail_other_streams() {
    let server = TestLog::start().await;
    let processes = [process(&server), process(&server), process(&server)];
    let hot = listed(&processes[0], 1_000).await;
    let quiet: Vec<TicketId> = join_all((0..60).map(|_| listed(&processes[0], 5))).await;

    let hot_ones = (0..300).map(|n| reserve_one(&processes[n % 3], &hot));
    let others = quiet.iter().map(|ticket| reserve_one(&processes[0], ticket));
    let (revisions, others) = tokio::join!(join_all(hot_ones), join_all(others));

    let distinct: BTreeSet<u64> = revisions.into_iter().collect();
    assert_eq!(distinct, (1..=300).collect());
    assert!(others.iter().all(|revision| *revision == 1));
    assert_eq!(held(&processes[2], &hot).await, 300);
}
