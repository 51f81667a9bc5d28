//! Events in, SQL out: the read models.
//!
//! The map:
//! - [`Projection`]: what a read model is: a name, a version, tables, and what events do to them.
//! - `tickets`, `orders`, `accounts`, `sales_by_day`, `timeline`: one read model each, with its
//!   tables beside it in `.sql`.
//! - [`ledger`]: the movements of money, and the check that they are right.
//! - `projector`: the follower that applies a projection, each event once.
//! - `schema`: tables of every version in a schema of its own, and which version readers see.
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
pub mod ledger;
mod orders;
mod projection;
mod projector;
mod sales_by_day;
mod schema;
mod status;
mod stream;
mod tickets;
mod timeline;

use std::panic;

use eventlog::{EventLog, FollowError};
use futures::future::BoxFuture;
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use projection::{Changed, Projection};
pub use status::{Status, status};

/// Every projection, one line each.
const PROJECTIONS: &[Registered] = &[
    Registered::of::<tickets::Tickets>(),
    Registered::of::<orders::Orders>(),
    Registered::of::<ledger::Ledger>(),
    Registered::of::<accounts::Accounts>(),
    Registered::of::<sales_by_day::SalesByDay>(),
    Registered::of::<timeline::Timeline>(),
];

/// A projection as the rest of the crate handles it, whatever its type.
struct Registered {
    name: &'static str,
    version: u32,
    tables: &'static str,
    run: fn(EventLog, PgPool, CancellationToken) -> BoxFuture<'static, Result<(), FollowError>>,
}

impl Registered {
    const fn of<P: Projection>() -> Self {
        Self { name: P::NAME, version: P::VERSION, tables: P::TABLES, run: projector::run::<P> }
    }
}

/// Creates the tables of every projection and the views over them; safe when several processes do
/// so at once, and again at every start.
///
/// # Errors
/// Of the database.
pub async fn install(pool: &PgPool) -> sqlx::Result<()> {
    eventlog::checkpoint::install(pool).await?;
    schema::install(pool, PROJECTIONS).await
}

/// Runs all projections until `shutdown`. Outages of the log and of Postgres are waited out.
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
    for projection in PROJECTIONS {
        running.spawn((projection.run)(log.clone(), pool.clone(), shutdown.clone()));
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
