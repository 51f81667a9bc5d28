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

    /// Which rows follow from which stream alone, so that they can be made anew from it alone. Empty
    /// when rows follow from several streams.
    const ROWS: &'static [RowsOf];

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

/// The rows of one aggregate in one table.
#[derive(Clone, Copy, Debug)]
pub struct RowsOf {
    pub table: &'static str,
    /// Holds the aggregate's id.
    pub column: &'static str,
    /// The aggregate's; none when the column holds the name of the whole stream.
    pub category: Option<&'static str>,
}

/// The ids of the rows that a batch has changed, for readers who watch them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    ids: BTreeSet<Uuid>,
    /// So many that nobody lists them.
    many: bool,
}

impl Changed {
    pub(crate) fn many() -> Self {
        Self { ids: BTreeSet::new(), many: true }
    }

    /// More are not told one by one: an announcement has less than 8,000 bytes.
    const TOLD_MAX: usize = 200;

    pub(crate) fn extend(&mut self, more: Self) {
        self.ids.extend(more.ids);
        self.many |= more.many;
    }

    /// How an announcement goes on after the position: ` <id>,<id>`, ` many`, or not at all.
    pub(crate) fn told(&self) -> String {
        if self.many || self.ids.len() > Self::TOLD_MAX {
            return " many".to_owned();
        }
        if self.ids.is_empty() {
            return String::new();
        }
        let ids: Vec<String> = self.ids.iter().map(Uuid::to_string).collect();
        format!(" {}", ids.join(","))
    }
}

impl FromIterator<Uuid> for Changed {
    fn from_iter<I: IntoIterator<Item = Uuid>>(ids: I) -> Self {
        Self { ids: ids.into_iter().collect(), many: false }
    }
}
