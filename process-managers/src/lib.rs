//! Events in, commands out: what the system does by itself.
//!
//! The map:
//! - [`process_manager`]: what a process manager is: `react` to events, `perform` tasks.
//! - [`order_placement`], [`order_expiry`], [`payment`] (with `settlement`), [`refund`],
//!   [`notice`], [`erasure`]: one each.
//! - `reconciler`: reads what happened at the provider of payments, whether or not it has told us.
//! - `repayment`: giving money back, as two of them do.
//! - `due_list`: the durable to-do list; `feed` folds it from the log, `worker` works it off,
//!   `watch` tells how it stands.
//! - [`desk`]: what people do with tasks that are parked.
//! - [`gateway`]: the provider of payments as we see it; [`stripe`]: Stripe as one; `door`: the
//!   seller as another.
//! - [`tuning`]: every limit and waiting time.
//!
//! Nothing is done inside a reaction. A reaction only changes the to-do list, in the transaction
//! that moves the checkpoint; a worker then performs each task at least once, and a task done twice
//! has the effect of one. So a crash at any point loses nothing and doubles nothing.
//!
//! A new process manager is one file with an `impl`, one line in [`run`] and its name in [`NAMES`].

pub mod desk;
mod door;
mod due_list;
pub mod erasure;
mod feed;
pub mod gateway;
pub mod notice;
pub mod order_expiry;
pub mod order_placement;
pub mod payment;
pub mod process_manager;
mod reconciler;
pub mod refund;
mod repayment;
mod settlement;
pub mod stripe;
pub mod tuning;
mod watch;
mod worker;

use std::sync::Arc;

use eventlog::{EventLog, FollowError, Vault};
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::due_list::DueList;
use crate::erasure::Erasure;
use crate::feed::Feed;
use crate::gateway::{Bounded, Gateway};
use crate::notice::NoticeProcess;
use crate::order_expiry::OrderExpiry;
use crate::order_placement::OrderPlacement;
use crate::payment::PaymentProcess;
use crate::process_manager::ProcessManager;
use crate::reconciler::Reconciler;
use crate::refund::RefundProcess;
use crate::worker::Worker;

pub use crate::tuning::Tuning;

/// What the process managers work with.
#[derive(Clone)]
pub struct Dependencies {
    pub log: EventLog,
    /// Holds the to-do lists and the checkpoints.
    pub pool: PgPool,
    pub vault: Vault,
    pub gateway: Arc<dyn Gateway>,
    pub tuning: Tuning,
}

/// The names of all process managers, in the order in which they are in [`run`].
pub const NAMES: [&str; 6] = [
    OrderPlacement::NAME,
    OrderExpiry::NAME,
    PaymentProcess::NAME,
    RefundProcess::NAME,
    NoticeProcess::NAME,
    Erasure::NAME,
];

/// Creates the schema `process_managers` and the table of checkpoints; safe when several processes
/// do so at once.
///
/// # Errors
/// Of the database.
pub async fn install(pool: &PgPool) -> sqlx::Result<()> {
    eventlog::checkpoint::install(pool).await?;
    due_list::install(pool).await
}

/// Runs all process managers until `shutdown`, then lets the tasks at hand finish.
///
/// With Postgres, the log or the provider away they wait and go on afterwards.
///
/// # Errors
/// [`FollowError`] when an event in the log cannot be read; all of them stop then, and nothing is
/// skipped.
pub async fn run(mut deps: Dependencies, shutdown: CancellationToken) -> Result<(), FollowError> {
    deps.gateway = Arc::new(Bounded::new(deps.gateway, deps.tuning.provider_calls));
    let placement = OrderPlacement::new(deps.log.clone(), &deps.tuning);
    let expiry = OrderExpiry::new(deps.log.clone());
    let payment = PaymentProcess::new(&deps);
    let refund = RefundProcess::new(&deps);
    let notice = NoticeProcess::new(&deps);
    let erasure = Erasure::new(&deps);
    let reconciler = Reconciler::new(deps.clone());
    let stop = shutdown.child_token();
    let (placement, expiry, payment, refund, notice, erasure, ()) = tokio::join!(
        drive(placement, &deps, &stop),
        drive(expiry, &deps, &stop),
        drive(payment, &deps, &stop),
        drive(refund, &deps, &stop),
        drive(notice, &deps, &stop),
        drive(erasure, &deps, &stop),
        reconciler.run(&stop),
    );
    placement.and(expiry).and(payment).and(refund).and(notice).and(erasure)
}

/// Feeds the to-do list of one process manager and works it off.
async fn drive<P: ProcessManager>(
    process: P,
    deps: &Dependencies,
    stop: &CancellationToken,
) -> Result<(), FollowError> {
    let process = Arc::new(process);
    let list = DueList::new(deps.pool.clone(), P::NAME);
    let added = Arc::new(Notify::new());
    let mut feed = Feed::new(Arc::clone(&process), list.clone(), Arc::clone(&added));
    let worker = Worker::new(process, list, added, deps.tuning.clone());
    let follow = async {
        loop {
            let forgotten = feed.forgotten(deps.tuning.rebuild_look);
            let followed = tokio::select! {
                followed = eventlog::follow(&deps.log, &mut feed, stop.clone()) => followed,
                () = forgotten => continue,
            };
            if followed.is_err() {
                stop.cancel();
            }
            return followed;
        }
    };
    let watch = watch::publish(&deps.pool, P::NAME, stop);
    let (followed, (), ()) = tokio::join!(follow, worker.run(stop), watch);
    followed
}
