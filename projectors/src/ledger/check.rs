//! The ledger, added up again and compared with what the log says.

use std::collections::{BTreeMap, VecDeque};

use domain::{DomainEvent, Position, Recorded};
use eventlog::{Delivery, EventLog, LogError};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};

use super::Ledger;
use super::book::Book;
use crate::build::Build;
use crate::projection::Projection;
use crate::schema;
use crate::stream::{position_columns, position_of};

/// What the ledger holds, and what is not as it should be.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How far the ledger has followed the log.
    pub position: Option<Position>,
    /// How many movements of money there are.
    pub entries: u64,
    /// By kind of account and currency, in minor units: what it has got less what it has given.
    pub balances: BTreeMap<String, BTreeMap<String, i128>>,
    /// The sum of all accounts of each currency; zero, if all is well.
    pub sums: BTreeMap<String, i128>,
    /// The first that is off.
    pub off: Option<Off>,
}

/// Where the ledger is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Off {
    /// Counted from 1.
    #[error("entry {number} should be {expected}; the ledger has {found}")]
    Entry { number: u64, expected: String, found: String },
    #[error(
        "account {account} is {found} {currency} in the balances; its entries add up to {expected}"
    )]
    Balance { account: String, currency: String, expected: i128, found: i128 },
    #[error("all accounts in {currency} add up to {sum}, which should be zero")]
    Sum { currency: String, sum: i128 },
}

/// An entry as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
struct Found {
    number: i64,
    debit: String,
    credit: String,
    amount_minor: i64,
    currency: String,
    stream: String,
    commit_position: i64,
    prepare_position: i64,
}

/// Why the ledger could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("the ledger cannot be read")]
    Database(#[from] sqlx::Error),
    #[error("the log cannot be read")]
    Log(#[from] LogError),
}

/// Adds up every entry and compares each with what follows from the log, up to where the ledger
/// has come; it may go on meanwhile.
///
/// # Errors
/// When the log or the database cannot be read.
pub async fn check(log: &EventLog, pool: &PgPool) -> Result<Report, CheckError> {
    // One snapshot: entries, balances and checkpoint belong together.
    let mut snapshot = pool.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .execute(&mut *snapshot)
        .await?;
    let live = Build::live(&mut *snapshot, Ledger::NAME).await?;
    schema::enter(&mut snapshot, &live.ok_or(sqlx::Error::RowNotFound)?.schema()).await?;
    let position: Option<(i64, i64)> = sqlx::query_as(
        "SELECT commit_position, prepare_position FROM read.checkpoint \
         WHERE name = 'projector/ledger'",
    )
    .fetch_optional(&mut *snapshot)
    .await?;
    let position = position.map(|(commit, prepare)| position_of(commit, prepare)).transpose()?;
    let balances: Vec<(String, String, i64, i64)> = sqlx::query_as(
        "SELECT account, currency, debits_minor, credits_minor FROM ledger_balances \
         ORDER BY account, currency",
    )
    .fetch_all(&mut *snapshot)
    .await?;

    let mut expected = Expected::of(log, position);
    let (sums, off) = compare(&mut snapshot, &mut expected).await?;
    let off = off.or_else(|| sums.compare(&balances)).or_else(|| sums.not_zero());
    Ok(Report { position, entries: sums.entries, balances: sums.kinds(), sums: sums.totals(), off })
}

/// Reads both side by side. All entries are added up, also those behind the first that is off.
async fn compare(
    snapshot: &mut PgConnection,
    expected: &mut Expected<'_>,
) -> Result<(Sums, Option<Off>), CheckError> {
    let mut rows = sqlx::query_as::<_, Found>(
        "SELECT number, debit, credit, amount_minor, currency, stream, commit_position, \
             prepare_position FROM ledger ORDER BY number",
    )
    .fetch(snapshot);
    let (mut sums, mut off, mut number) = (Sums::default(), None, 0);
    loop {
        let row = rows.try_next().await?;
        if let Some(row) = &row {
            sums.add(row);
        }
        if off.is_none() {
            number += 1;
            let wanted = expected.next().await?;
            if row != wanted {
                let show = |it: Option<&Found>| it.map_or("nothing".to_owned(), Found::shown);
                let (expected, found) = (show(wanted.as_ref()), show(row.as_ref()));
                off = Some(Off::Entry { number, expected, found });
            }
        }
        if row.is_none() {
            return Ok((sums, off));
        }
    }
}

/// What the log says the ledger should have, one after another.
struct Expected<'a> {
    deliveries: BoxStream<'a, Result<Delivery, LogError>>,
    end: Option<Position>,
    book: Book,
    waiting: VecDeque<Found>,
    number: i64,
}

impl<'a> Expected<'a> {
    fn of(log: &'a EventLog, end: Option<Position>) -> Self {
        Self {
            deliveries: log.subscribe(None).boxed(),
            end,
            book: Book::default(),
            waiting: VecDeque::new(),
            number: 0,
        }
    }

    async fn next(&mut self) -> Result<Option<Found>, CheckError> {
        loop {
            if let Some(found) = self.waiting.pop_front() {
                return Ok(Some(found));
            }
            let Some(end) = self.end else { return Ok(None) };
            match self.deliveries.next().await.transpose()? {
                Some(Delivery::Event(record)) if record.position <= end => self.take(&record)?,
                Some(Delivery::Checkpoint(position)) if position <= end => {}
                Some(_) | None => self.end = None,
            }
        }
    }

    fn take(&mut self, record: &Recorded<DomainEvent>) -> sqlx::Result<()> {
        let (commit, prepare) = position_columns(record.position)?;
        for entry in self.book.take(record)? {
            self.number += 1;
            self.waiting.push_back(Found {
                number: self.number,
                debit: entry.debit.to_string(),
                credit: entry.credit.to_string(),
                amount_minor: entry.amount.minor,
                currency: entry.amount.currency.code(),
                stream: record.stream.clone(),
                commit_position: commit,
                prepare_position: prepare,
            });
        }
        Ok(())
    }
}

impl Found {
    fn shown(&self) -> String {
        let Self { debit, credit, amount_minor, currency, stream, .. } = self;
        format!("{amount_minor} {currency} from {credit} to {debit} by {stream}")
    }
}

/// What each account has got and given, by account and currency.
#[derive(Default)]
struct Sums {
    entries: u64,
    accounts: BTreeMap<(String, String), (i128, i128)>,
}

impl Sums {
    fn add(&mut self, row: &Found) {
        self.entries += 1;
        let amount = i128::from(row.amount_minor);
        let key = |account: &String| (account.clone(), row.currency.clone());
        self.accounts.entry(key(&row.debit)).or_default().0 += amount;
        self.accounts.entry(key(&row.credit)).or_default().1 += amount;
    }

    /// The first account whose balance is not the sum of its entries.
    fn compare(&self, balances: &[(String, String, i64, i64)]) -> Option<Off> {
        let mut left = self.accounts.clone();
        for (account, currency, debits, credits) in balances {
            let summed = left.remove(&(account.clone(), currency.clone())).unwrap_or_default();
            let stored = (i128::from(*debits), i128::from(*credits));
            if summed != stored {
                return Some(Off::Balance {
                    account: account.clone(),
                    currency: currency.clone(),
                    expected: summed.0 - summed.1,
                    found: stored.0 - stored.1,
                });
            }
        }
        let ((account, currency), (debits, credits)) = left.pop_first()?;
        Some(Off::Balance { account, currency, expected: debits - credits, found: 0 })
    }

    fn not_zero(&self) -> Option<Off> {
        let (currency, sum) = self.totals().into_iter().find(|(_, sum)| *sum != 0)?;
        Some(Off::Sum { currency, sum })
    }

    fn totals(&self) -> BTreeMap<String, i128> {
        let mut totals = BTreeMap::new();
        for ((_, currency), (debits, credits)) in &self.accounts {
            *totals.entry(currency.clone()).or_default() += debits - credits;
        }
        totals
    }

    /// By what stands before the slash: all buyers together, and all sellers.
    fn kinds(&self) -> BTreeMap<String, BTreeMap<String, i128>> {
        let mut kinds: BTreeMap<String, BTreeMap<String, i128>> = BTreeMap::new();
        for ((account, currency), (debits, credits)) in &self.accounts {
            let kind = account.split('/').next().unwrap_or_default().to_owned();
            *kinds.entry(kind).or_default().entry(currency.clone()).or_default() +=
                debits - credits;
        }
        kinds
    }
}
