//! What a projection is.

use std::future::Future;

use domain::{DomainEvent, Recorded};
use sqlx::PgConnection;

/// A read model that is folded from the log into tables.
pub trait Projection: Send + Sync + 'static {
    /// Names the read model and the one of its tables that readers see as `read.<NAME>`.
    const NAME: &'static str;

    /// One more with each change to the tables or to what they hold. Each version has tables and a
    /// checkpoint of its own, so a new one is filled from the start of the log.
    const VERSION: u32;

    /// Creates the tables, by their bare names: the schema of the version is the search path.
    const TABLES: &'static str;

    /// Brings the tables on by `events`, which come in the order of the log.
    ///
    /// Runs in the transaction that also moves the checkpoint, alone at its work and with the
    /// schema of the version as the search path. So each event is applied just once, and a plain
    /// `SET reserved = reserved + 1` is right.
    fn apply(
        db: &mut PgConnection,
        events: &[Recorded<DomainEvent>],
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}
