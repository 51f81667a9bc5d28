use std::time::Duration;

use domain::email_claim::EmailClaimCommand;
use domain::id::{AccountId, EmailClaimId};
use domain::ticket::{ReleaseReason, TicketCommand, TicketEvent, TicketRejection};
use domain::{Cause, EmailClaim, Metadata, Revision, Ticket};
use embedded_log::testing::TestLog;
use eventlog::{EventLog, ExecuteError};
use eventstore::{ReadStreamOptions, RecordedEvent};
use futures::future::join_all;
use uuid::Uuid;

use crate::support::{
    cause, client, eventually, list, listed, new_order, new_ticket, process, reserve, withdraw,
};

async fn stored(log: &TestLog, stream: &str) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    let client = client(log);
    let mut reading = client.read_stream(stream, &ReadStreamOptions::default()).await.unwrap();
    while let Some(resolved) = reading.next().await.unwrap() {
        events.push(resolved.event.unwrap());
    }
    events
}

async fn held_now(log: &EventLog, ticket: &domain::id::TicketId) -> u32 {
    log.load::<Ticket>(ticket).await.unwrap().state.listing().map_or(0, |listing| listing.held)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_without_events_is_nothing_yet() {
    let server = TestLog::start().await;
    let log = process(&server);
    let loaded = log.load::<Ticket>(&new_ticket()).await.unwrap();
    assert_eq!(loaded.state, Ticket::Unlisted);
    assert_eq!((loaded.revision, loaded.position), (None, None));
    assert_eq!(log.head().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_command_is_in_the_log_and_in_every_later_load() {
    let server = TestLog::start().await;
    let (log, other) = (process(&server), process(&server));
    let (ticket, cause) = (new_ticket(), cause());

    let executed = log.execute::<Ticket>(&ticket, list(3), &cause).await.unwrap();
    assert_eq!(executed.revision, Some(Revision(0)));
    assert_eq!(executed.repeated, None);
    assert!(matches!(executed.events[..], [TicketEvent::TicketListed(_)]));
    assert_eq!(log.head().await.unwrap(), executed.position);

    for log in [&log, &other] {
        let loaded = log.load::<Ticket>(&ticket).await.unwrap();
        assert_eq!(loaded.state, executed.state);
        assert_eq!((loaded.revision, loaded.position), (executed.revision, executed.position));
    }

    let [event] = &stored(&server, &format!("ticket-{ticket}")).await[..] else { panic!() };
    assert_eq!(event.event_type, "TicketListed.v1");
    let name = format!("ticket-{ticket}/0");
    assert_eq!(event.id, Uuid::new_v5(&cause.command.0, name.as_bytes()), "derived");
    assert!(event.is_json);
    let body: serde_json::Value = serde_json::from_slice(&event.data).unwrap();
    assert_eq!(body["quantity"], 3);
    let metadata: Metadata = serde_json::from_slice(&event.custom_metadata).unwrap();
    assert_eq!(metadata.command, cause.command);
    assert_eq!(metadata.correlation, cause.correlation);
    assert_eq!(metadata.build, "test");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_command_appends_nothing() {
    let server = TestLog::start().await;
    let log = process(&server);
    let ticket = new_ticket();
    let refused = log.execute::<Ticket>(&ticket, withdraw(), &cause()).await.unwrap_err();
    assert!(matches!(refused, ExecuteError::Rejected(TicketRejection::NotFound)));
    assert_eq!(log.load::<Ticket>(&ticket).await.unwrap().revision, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_already_so_is_accepted_without_an_event() {
    let server = TestLog::start().await;
    let log = process(&server);
    let ticket = listed(&log, 1).await;
    log.execute::<Ticket>(&ticket, withdraw(), &cause()).await.unwrap();
    let again = log.execute::<Ticket>(&ticket, withdraw(), &cause()).await.unwrap();
    assert_eq!((again.events, again.repeated), (Vec::new(), None));
    assert_eq!(again.revision, Some(Revision(1)));
}

async fn assert_repeated(log: &EventLog, ticket: &domain::id::TicketId, cause: &Cause) {
    let again = log.execute::<Ticket>(ticket, list(3), cause).await.unwrap();
    assert_eq!(again.repeated, Some(Revision(0)));
    assert_eq!((again.events, again.revision), (Vec::new(), Some(Revision(0))));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_command_twice_takes_effect_once_here_elsewhere_and_after_a_restart() {
    let mut server = TestLog::start().await;
    let (log, other) = (process(&server), process(&server));
    let (ticket, cause) = (new_ticket(), cause());
    let first = log.execute::<Ticket>(&ticket, list(3), &cause).await.unwrap();
    assert_eq!(first.repeated, None);
    assert_repeated(&log, &ticket, &cause).await;
    assert_repeated(&other, &ticket, &cause).await;
    server.restart().await;
    assert_repeated(&process(&server), &ticket, &cause).await;
    assert_eq!(stored(&server, &format!("ticket-{ticket}")).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_command_many_times_at_once_in_two_processes_takes_effect_once() {
    let server = TestLog::start().await;
    let (log, other) = (process(&server), process(&server));
    let ticket = listed(&log, 100).await;
    let (order, cause) = (new_order(), cause());
    // While each owner is busy with this one, the others pile up and are decided together.
    let (first, second) = (self::cause(), self::cause());
    let busy = [(&log, &first), (&other, &second)]
        .map(|(log, cause)| log.execute::<Ticket>(&ticket, reserve(new_order()), cause));
    let asked = (0..40).map(|n| {
        let log = if n % 2 == 0 { &log } else { &other };
        log.execute::<Ticket>(&ticket, reserve(order), &cause)
    });
    let (busy, answers) = tokio::join!(join_all(busy), join_all(asked));
    assert!(busy.iter().all(Result::is_ok));
    let firsts =
        answers.iter().filter(|answer| answer.as_ref().unwrap().repeated.is_none()).count();
    assert!(firsts <= 1, "{firsts} had an effect");
    assert_eq!(stored(&server, &format!("ticket-{ticket}")).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_for_another_command_is_refused() {
    let server = TestLog::start().await;
    let (log, other) = (process(&server), process(&server));
    let ticket = new_ticket();
    let first = cause();
    log.execute::<Ticket>(&ticket, list(3), &first).await.unwrap();
    let reused = Cause { fingerprint: Some("another".to_owned()), ..first };
    for log in [&log, &other] {
        let refused = log.execute::<Ticket>(&ticket, list(4), &reused).await.unwrap_err();
        assert!(matches!(refused, ExecuteError::KeyReused), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_may_reach_several_aggregates_under_one_id() {
    let server = TestLog::start().await;
    let log = process(&server);
    let cause = cause();
    let ticket = new_ticket();
    log.execute::<Ticket>(&ticket, list(3), &cause).await.unwrap();
    let claim = EmailClaimId("ab".repeat(32));
    let command = EmailClaimCommand::Claim { account: AccountId(Uuid::from_u128(1)) };
    let claimed = log.execute::<EmailClaim>(&claim, command, &cause).await.unwrap();
    assert_eq!(claimed.repeated, None);
    let first = stored(&server, &format!("ticket-{ticket}")).await[0].id;
    let second = stored(&server, &format!("email-{claim}")).await[0].id;
    assert_ne!(first, second, "event ids are unique in the whole log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_on_the_revision_is_kept_by_the_log_s_truth_not_by_the_cache() {
    let server = TestLog::start().await;
    let (log, other) = (process(&server), process(&server));
    let ticket = listed(&log, 9).await;
    let at = |revision| Some(Revision(revision));
    let if_at = async |log: &EventLog, cause: &Cause, revision| {
        log.execute_if::<Ticket>(&ticket, reserve(new_order()), cause, revision).await
    };
    let first = cause();
    if_at(&log, &first, at(0)).await.unwrap();
    other.execute::<Ticket>(&ticket, reserve(new_order()), &cause()).await.unwrap();

    let stale = if_at(&log, &cause(), at(1)).await.unwrap_err();
    assert!(matches!(stale, ExecuteError::RevisionMismatch { actual } if actual == at(2)));
    if_at(&log, &cause(), at(2)).await.unwrap();
    let ahead = if_at(&log, &cause(), at(7)).await.unwrap_err();
    assert!(matches!(ahead, ExecuteError::RevisionMismatch { actual } if actual == at(3)));
    assert!(if_at(&log, &first, at(0)).await.unwrap().repeated.is_some(), "done is done");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_is_refused_for_a_state_that_is_over() {
    let server = TestLog::start().await;
    let (log, other) = (process(&server), process(&server));
    let ticket = listed(&log, 1).await;
    let order = new_order();
    log.execute::<Ticket>(&ticket, reserve(order), &cause()).await.unwrap();
    let release = TicketCommand::Release { order, reason: ReleaseReason::Cancelled };
    other.execute::<Ticket>(&ticket, release, &cause()).await.unwrap();
    log.execute::<Ticket>(&ticket, reserve(new_order()), &cause()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_neither_loses_nor_doubles_its_command() {
    const COMMANDS: u32 = 50;
    let server = TestLog::start().await;
    let log = process(&server);
    let ticket = listed(&log, COMMANDS).await;
    let commands: Vec<_> = (0..COMMANDS).map(|_| (new_order(), cause())).collect();
    for (index, (order, cause)) in commands.iter().enumerate() {
        let asked = log.execute::<Ticket>(&ticket, reserve(*order), cause);
        let patience = Duration::from_micros(20 * u64::try_from(index).unwrap());
        let _gone_or_done = tokio::time::timeout(patience, asked).await;
    }
    for (order, cause) in &commands {
        log.execute::<Ticket>(&ticket, reserve(*order), cause).await.unwrap();
    }
    eventually("every command took effect", async || {
        (held_now(&log, &ticket).await == COMMANDS).then_some(())
    })
    .await;
    let events = stored(&server, &format!("ticket-{ticket}")).await;
    assert_eq!(events.len(), 1 + usize::try_from(COMMANDS).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_may_be_old_is_given_without_the_log_and_has_what_was_done_here() {
    const LONG: Duration = Duration::from_secs(60);
    let mut server = TestLog::start().await;
    let (log, other) = (process(&server), process(&server));
    let ticket = listed(&log, 9).await;
    let held = async |log: &EventLog, age| {
        let loaded = log.load_within::<Ticket>(&ticket, age).await;
        loaded.map(|loaded| loaded.state.listing().map_or(0, |listing| listing.held))
    };
    assert_eq!(held(&other, LONG).await.unwrap(), 0, "read, for it was not known");
    log.execute::<Ticket>(&ticket, reserve(new_order()), &cause()).await.unwrap();
    assert_eq!(held(&log, LONG).await.unwrap(), 1);
    assert_eq!(held(&other, LONG).await.unwrap(), 0, "as it was a moment ago");
    assert_eq!(held(&other, Duration::ZERO).await.unwrap(), 1, "too old, so read anew");
    server.stop().await;
    assert_eq!(held(&other, LONG).await.unwrap(), 1, "known without the log");
    assert!(held(&other, Duration::ZERO).await.unwrap_err().is_unavailable());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_taken_for_new_is_read_when_there_is_one() {
    let server = TestLog::start().await;
    let (log, other) = (process(&server), process(&server));
    let ticket = new_ticket();
    let begun = log.execute_new::<Ticket>(&ticket, list(3), &cause()).await.unwrap();
    assert_eq!(begun.revision, Some(Revision(0)));
    let again = other.execute_new::<Ticket>(&ticket, list(9), &cause()).await;
    assert!(matches!(again, Err(ExecuteError::Rejected(TicketRejection::AlreadyListed))));
    let other = process(&server);
    let reserved = other.execute_new::<Ticket>(&ticket, reserve(new_order()), &cause()).await;
    assert_eq!(crate::support::held(&reserved.unwrap()), 1, "decided on what is there");
}
