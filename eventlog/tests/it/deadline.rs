//! Whoever asks has only so much time.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use domain::id::TicketId;
use domain::{Aggregate, Ticket};
use embedded_log::testing::TestLog;
use eventlog::{EventLog, ExecuteError, Executed, LogError};

use crate::support::{
    Fuse, FuseCommand, Wire, at, cause, eventually, held, listed, new_order, new_ticket, process,
    reserve,
};

const SHORT: Duration = Duration::from_millis(50);
/// Well below what it takes to find out that a log is gone.
const SOON: Duration = Duration::from_millis(280);

fn too_late<T, R>(answer: &Result<T, ExecuteError<R>>) -> bool {
    matches!(answer, Err(ExecuteError::Log(LogError::TooLate)))
}

async fn come_to(barrier: &Arc<Barrier>) {
    let barrier = Arc::clone(barrier);
    tokio::task::spawn_blocking(move || barrier.wait()).await.unwrap();
}

/// Comes to the barrier when it has begun, and goes on when somebody else comes there again.
async fn light_slowly(
    log: EventLog,
    fuse: TicketId,
    barrier: Arc<Barrier>,
) -> Result<Executed<Fuse>, ExecuteError<<Fuse as Aggregate>::Rejection>> {
    log.execute::<Fuse>(&fuse, FuseCommand::LightSlowly(barrier), &cause()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_time_is_over_before_its_turn_is_never_begun() {
    let server = TestLog::start().await;
    let log = process(&server);
    let (fuse, barrier) = (new_ticket(), Arc::new(Barrier::new(2)));
    let busy = tokio::spawn(light_slowly(log.clone(), fuse, Arc::clone(&barrier)));
    come_to(&barrier).await;
    let late = cause();
    let soon = log.until(Instant::now() + SHORT);
    assert!(too_late(&soon.execute::<Fuse>(&fuse, FuseCommand::Light, &late).await));
    come_to(&barrier).await;
    busy.await.unwrap().unwrap();
    let after = log.execute::<Fuse>(&fuse, FuseCommand::Light, &cause()).await.unwrap();
    assert_eq!(after.state.lit, 2, "what nobody waited for was done all the same");

    // Asked again under the same id, with time, it takes effect, once.
    for _ in 0..2 {
        let again = log.execute::<Fuse>(&fuse, FuseCommand::Light, &late).await.unwrap();
        assert_eq!(again.state.lit, 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_the_log_longer_than_there_is_time() {
    let server = TestLog::start().await;
    let wire = Wire::to(server.address()).await;
    let log = at(&wire.connection_string());
    let ticket = listed(&log, 10).await;
    wire.silence();
    let began = Instant::now();
    let soon = log.until(began + SHORT);
    let (order, it) = (new_order(), cause());
    assert!(too_late(&soon.execute::<Ticket>(&ticket, reserve(order), &it).await));
    assert!(matches!(soon.load::<Ticket>(&ticket).await, Err(LogError::TooLate)));
    assert!(matches!(soon.first::<Ticket>(&ticket, |_| true).await, Err(LogError::TooLate)));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());

    // Its outcome is unclear; under the same id it takes effect once.
    let executed = eventually("the log answers again", async || {
        log.execute::<Ticket>(&ticket, reserve(order), &it).await.ok()
    });
    assert_eq!(held(&executed.await), 1);
    let loaded = process(&server).load::<Ticket>(&ticket).await.unwrap();
    assert_eq!(loaded.revision.unwrap().0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_has_begun_is_finished_though_nobody_waits_for_it_any_more() {
    let server = TestLog::start().await;
    let log = process(&server);
    let (fuse, barrier) = (new_ticket(), Arc::new(Barrier::new(2)));
    let asking = tokio::spawn(light_slowly(log.clone(), fuse, Arc::clone(&barrier)));
    come_to(&barrier).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    come_to(&barrier).await;
    // Nobody asks for it again, at this process or another: only the log is read.
    let other = process(&server);
    eventually("it is done", async || {
        other.load::<Fuse>(&fuse).await.ok().filter(|found| found.state.lit == 1)
    })
    .await;
}
