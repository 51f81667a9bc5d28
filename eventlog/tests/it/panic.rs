use domain::id::TicketId;
use embedded_log::testing::TestLog;
use futures::future::join_all;
use uuid::Uuid;

use crate::support::{Fuse, FuseCommand, cause, eventually, process};

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_panics_leaves_nobody_waiting_and_its_stream_usable() {
    let server = TestLog::start().await;
    let log = process(&server);
    let fuse = TicketId(Uuid::new_v4());
    let causes: Vec<_> = (0..20).map(|_| cause()).collect();
    let asked = causes.iter().enumerate().map(|(n, cause)| {
        let command = if n == 7 { FuseCommand::Blow } else { FuseCommand::Light };
        log.execute::<Fuse>(&fuse, command, cause)
    });
    let answers = join_all(asked).await;
    assert!(answers[7].is_err());
    let lit = answers.iter().filter(|answer| answer.is_ok()).count();
    let lit = u32::try_from(lit).unwrap();

    // Whoever comes while the faulty owner is being cleared away is told to come again.
    let once_more = cause();
    let again = eventually("the stream is usable", async || {
        log.execute::<Fuse>(&fuse, FuseCommand::Light, &once_more).await.ok()
    })
    .await;
    assert_eq!(again.state.lit, lit + 1);
    assert_eq!(process(&server).load::<Fuse>(&fuse).await.unwrap().state.lit, lit + 1);
}
