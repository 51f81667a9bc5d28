//! What a projection is.

use std::collections::BTreeSet;
use std::future::Future;

use domain::{DomainEvent, Recorded};
use sqlx::PgConnection;
use uuid::Uuid;

/// A read model that is folded from the log into tables.
pub trait Projection: Send + Sync + 'static {
    /// Names the read model and the one of its tables (or views) that readers see as `read.<NAME>`.
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
    ) -> impl Future<Output = sqlx::Result<Changed>> + Send;
}

/// The ids of the rows that a batch has changed, for readers who watch them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed(BTreeSet<Uuid>);

impl Changed {
    /// More are not told one by one: an announcement has less than 8,000 bytes.
    const TOLD_MAX: usize = 200;

    /// How an announcement goes on after the position: ` <id>,<id>`, ` many`, or not at all.
    pub(crate) fn told(&self) -> String {
        match self.0.len() {
            0 => String::new(),
            1..=Self::TOLD_MAX => {
                let ids: Vec<String> = self.0.iter().map(Uuid::to_string).collect();
                format!(" {}", ids.join(","))
            }
            _ => " many".to_owned(),
        }
    }
}

impl FromIterator<Uuid> for Changed {
    fn from_iter<I: IntoIterator<Item = Uuid>>(ids: I) -> Self {
        Self(ids.into_iter().collect())
    }
}
