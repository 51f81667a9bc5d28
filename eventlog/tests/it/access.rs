//! A log that takes TLS and a password.

use domain::Ticket;
use embedded_log::testing::{PASSWORD, TestLog};
use eventlog::{Delivery, ExecuteError, LogError};
use futures::StreamExt;

use crate::support::{PATIENCE, at, cause, list, listed, new_ticket, process};

#[tokio::test(flavor = "multi_thread")]
async fn by_tls_and_with_the_password_all_goes_as_without() {
    let server = TestLog::start_guarded().await;
    let log = process(&server);
    let ticket = listed(&log, 3).await;
    assert!(log.load::<Ticket>(&ticket).await.unwrap().revision.is_some());
    assert!(log.head().await.unwrap().is_some());
    log.ready().await.unwrap();
    let mut deliveries = std::pin::pin!(log.subscribe(None));
    let first = tokio::time::timeout(PATIENCE, deliveries.next()).await.unwrap();
    assert!(matches!(first, Some(Ok(Delivery::Event(_)))), "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_as_a_refusal_and_not_as_an_outage() {
    let server = TestLog::start_guarded().await;
    let log = at(&server.connection_string().replace(PASSWORD, "wrong"));
    let refused = log.load::<Ticket>(&new_ticket()).await.unwrap_err();
    assert!(matches!(&refused, LogError::Refused(why) if why.contains("user:password")));
    let (ticket, cause) = (new_ticket(), cause());
    let refused = log.execute::<Ticket>(&ticket, list(1), &cause).await.unwrap_err();
    assert!(matches!(refused, ExecuteError::Log(LogError::Refused(_))), "{refused:?}");
    let mut deliveries = std::pin::pin!(log.subscribe(None));
    let first = tokio::time::timeout(PATIENCE, deliveries.next()).await.unwrap();
    assert!(matches!(first, Some(Err(LogError::Refused(_)))), "{first:?}");
}
