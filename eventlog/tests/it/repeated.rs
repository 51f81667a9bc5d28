//! A command given again is answered as it was the first time, however far the state has come.

use domain::{Cause, Revision, Ticket};
use embedded_log::testing::TestLog;
use eventlog::{EventLog, ExecuteError};

use crate::support::{cause, listed, new_order, new_ticket, process, reserve, withdraw};

fn held(ticket: &Ticket) -> u32 {
    ticket.listing().map_or(0, |listing| listing.held)
}

async fn hold(log: &EventLog, ticket: &domain::id::TicketId) -> Cause {
    let cause = cause();
    log.execute::<Ticket>(ticket, reserve(new_order()), &cause).await.unwrap();
    cause
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_command_is_answered_with_the_state_it_made() {
    let server = TestLog::start().await;
    let (log, other) = (process(&server), process(&server));
    let ticket = listed(&log, 10).await;
    hold(&log, &ticket).await;
    let (order, it) = (new_order(), cause());
    let first = log.execute::<Ticket>(&ticket, reserve(order), &it).await.unwrap();
    for _ in 0..3 {
        hold(&log, &ticket).await;
    }
    for log in [&log, &other, &process(&server)] {
        let again = log.execute::<Ticket>(&ticket, reserve(order), &it).await.unwrap();
        assert_eq!((again.repeated, held(&again.state)), (Some(Revision(2)), 5), "as it is now");
        let again = log.as_answered_first(&ticket, again).await.unwrap();
        assert_eq!(again.state, first.state);
        assert_eq!((again.revision, again.position), (first.revision, first.position));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_took_effect_is_recalled_without_being_done() {
    let server = TestLog::start().await;
    let (log, other) = (process(&server), process(&server));
    let ticket = listed(&log, 10).await;
    let it = hold(&log, &ticket).await;
    hold(&log, &ticket).await;
    for log in [&log, &other] {
        let recalled = log.recall::<Ticket>(&ticket, &it).await.unwrap().unwrap();
        assert_eq!(recalled.repeated, Some(Revision(1)));
        assert!(log.recall::<Ticket>(&ticket, &cause()).await.unwrap().is_none());
        let other = Cause { fingerprint: Some("other".to_owned()), ..it.clone() };
        let reused = log.recall::<Ticket>(&ticket, &other).await.unwrap_err();
        assert!(matches!(reused, ExecuteError::KeyReused));
    }
    assert!(log.recall::<Ticket>(&new_ticket(), &it).await.unwrap().is_none());
    assert_eq!(log.load::<Ticket>(&ticket).await.unwrap().revision, Some(Revision(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_told_as_it_was_when_something_first_was_so() {
    let server = TestLog::start().await;
    let log = process(&server);
    let ticket = listed(&log, 10).await;
    for _ in 0..3 {
        hold(&log, &ticket).await;
    }
    log.execute::<Ticket>(&ticket, withdraw(), &cause()).await.unwrap();
    let first = log.first::<Ticket>(&ticket, |ticket| held(ticket) >= 2).await.unwrap();
    assert_eq!((held(&first.state), first.revision), (2, Some(Revision(2))));
    let never = log.first::<Ticket>(&ticket, |ticket| held(ticket) > 9).await.unwrap();
    assert_eq!(never.revision, Some(Revision(4)));
}
