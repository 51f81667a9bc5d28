//! Events in, SQL out: the read models.
//!
//! The map:
//! - [`Projection`]: what a read model is: a name, a version, tables, and what events do to them.
//! - `tickets`, `orders`, `accounts`, `sales_by_day`, `disputes`, `timeline`: one read model each, with its
//!   tables beside it in `.sql`.
//! - [`ledger`]: the movements of money, and the check that they are right.
//! - `projector`: the follower that applies a projection, each event once; `apply`: around events
//!   that do not fit, whose streams are parked; [`parked`]: letting those in again.
//! - `new_rows`: how rows that are new get into a table.
//! - `lease`: which of several replicas is at work.
//! - `build`, `schema`: each set of tables in a schema of its own, and which of them readers see.
//! - `rebuild`: filling a new set beside the old one, and changing over; `fill` writes it, `feed`
//!   reads the log for it in large pages.
//! - `verify`: folds the log again and compares; `scratch` holds the fold, `compare` finds what
//!   differs, `trace` the event where it begins. `diff` compares two sets of tables.
//! - `prune`: removing the tables of older versions.
//! - `repair`: the rows of one aggregate anew.
//! - `status`: how far they have come.
//!
//! Readers use the views `read.<name>` and `read.checkpoint`. Each commit that they can see is
//! announced on the channel `projection`, as one of
//!
//! ```text
//! projector/<name> <position>                 it has come this far, and no row has changed
//! projector/<name> <position> <id>,<id>       these rows have changed
//! projector/<name> <position> many            too many rows to tell one by one
//! ```
//!
//! The ids are those of tickets for `tickets` and `sales_by_day`, of orders for `orders`, of accounts
//! for `accounts`, and of events for `timeline` and `ledger`. A listener that was away looks what
//! has changed since: rows of tickets, orders and accounts say in `changed_commit` and
//! `changed_prepare` at which position of the log they last changed.

mod accounts;
mod apply;
mod build;
mod compare;
mod diff;
mod disputes;
mod error;
mod fault;
mod feed;
mod fill;
mod history;
mod lease;
pub mod ledger;
mod new_rows;
mod orders;
pub mod parked;
mod projection;
mod projector;
mod prune;
mod rebuild;
mod repair;
mod sales_by_day;
mod schema;
mod scratch;
mod status;
mod stream;
mod tickets;
mod timeline;
mod trace;
mod verify;

use std::panic;

use domain::{DomainEvent, Recorded};
use eventlog::{EventLog, FollowError};
use futures::future::BoxFuture;
use sqlx::{PgConnection, PgPool};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use lease::Leases;

pub use compare::{Comparison, Difference, TableDigest};
pub use diff::{Diff, diff};
pub use error::Error;
pub use feed::Progress;
pub use projection::{Changed, Projection, RowsOf};
pub use prune::prune;
pub use rebuild::{Options, Rebuilt, Stage, rebuild, rollback};
pub use repair::{Repaired, repair};
pub use status::{BEHIND_EVENTS_MAX, Behind, Status, behind, status};
pub use trace::{EventOff, FirstOff};
pub use verify::{Verified, verify};

/// Every projection, one line each.
const PROJECTIONS: &[Registered] = &[
    Registered::of::<tickets::Tickets>(),
    Registered::of::<orders::Orders>(),
    Registered::of::<ledger::Ledger>(),
    Registered::of::<accounts::Accounts>(),
    Registered::of::<sales_by_day::SalesByDay>(),
    Registered::of::<disputes::Disputes>(),
    Registered::of::<timeline::Timeline>(),
];

/// A projection as the rest of the crate handles it, whatever its type.
#[derive(Clone, Copy)]
struct Registered {
    name: &'static str,
    version: u32,
    tables: &'static str,
    rows: &'static [RowsOf],
    apply: Apply,
}

type Apply = for<'a> fn(
    &'a mut PgConnection,
    &'a [Recorded<DomainEvent>],
) -> BoxFuture<'a, sqlx::Result<Changed>>;

impl Registered {
    const fn of<P: Projection>() -> Self {
        Self {
            name: P::NAME,
            version: P::VERSION,
            tables: P::TABLES,
            rows: P::ROWS,
            apply: |db, events| Box::pin(P::apply(db, events)),
        }
    }
}

/// The names of all projections.
pub const NAMES: [&str; PROJECTIONS.len()] = {
    let mut names = [""; PROJECTIONS.len()];
    let mut number = 0;
    while number < names.len() {
        names[number] = PROJECTIONS[number].name;
        number += 1;
    }
    names
};

/// The projections of these names; all, when there are none.
fn select(names: &[String]) -> Result<Vec<Registered>, Error> {
    if names.is_empty() {
        return Ok(PROJECTIONS.to_vec());
    }
    let find = |name: &String| PROJECTIONS.iter().find(|it| it.name == name).copied();
    names.iter().map(|name| find(name).ok_or_else(|| Error::Unknown(name.clone()))).collect()
}

/// Creates the tables of every projection and the views over them; safe when several processes do
/// so at once, and again at every start.
///
/// # Errors
/// Of the database.
pub async fn install(pool: &PgPool) -> sqlx::Result<()> {
    eventlog::checkpoint::install(pool).await?;
    eventlog::parking::install(pool).await?;
    schema::install(pool, PROJECTIONS).await
}

/// Runs all projections until `shutdown`. Outages of the log and of Postgres are waited out. Of
/// several processes that do so one is at work on each projection, and the others stand by.
///
/// # Errors
/// The first projection that met an event it cannot apply; the others stop too, between two
/// batches as far as anybody can see.
pub async fn run(
    log: EventLog,
    pool: PgPool,
    shutdown: CancellationToken,
) -> Result<(), FollowError> {
    let mut running = JoinSet::new();
    let leases = Leases::new(pool.clone());
    for projection in PROJECTIONS {
        let (log, pool, shutdown) = (log.clone(), pool.clone(), shutdown.clone());
        running.spawn(projector::run(*projection, log, pool, leases.clone(), shutdown));
    }
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(outcome) => outcome?,
            Err(error) => match error.try_into_panic() {
                Ok(payload) => panic::resume_unwind(payload),
                // Nobody but this function could have cancelled it, and it does not.
                Err(_cancelled) => {}
            },
        }
    }
    Ok(())
}
