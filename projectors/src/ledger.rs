//! Every movement of money, as double entry.
//!
//! - `entry`: accounts, and what an entry is.
//! - `book`: which entries follow from which event; pure.
//! - `check`: adds everything up again and compares it with the log.
//!
//! An entry takes an amount from one account and gives it to another, so nothing can be written
//! that does not add up to zero.

mod book;
mod check;
mod entry;

use std::collections::{HashMap, HashSet};

use domain::id::{OrderId, PaymentId, TicketId};
use domain::order::OrderEvent;
use domain::ticket::TicketEvent;
use domain::{DomainEvent, Order, Payment, Recorded, Timestamp};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::projection::{Changed, Projection, RowsOf};
use crate::stream::{id_of, position_columns};

pub use book::Book;
pub use check::{CheckError, Off, Report, check};
pub use entry::{Account, Entry};

pub(crate) struct Ledger;

impl Projection for Ledger {
    const NAME: &'static str = "ledger";
    const VERSION: u32 = 3;
    const TABLES: &'static str = include_str!("ledger.sql");
    const ROWS: &'static [RowsOf] = &[];

    async fn apply(
        db: &mut PgConnection,
        events: &[Recorded<DomainEvent>],
    ) -> sqlx::Result<Changed> {
        let Some(touched) = Touched::by(events)? else { return Ok(Changed::default()) };
        let mut book = load(db, &touched).await?;
        let mut entries = Vec::new();
        for record in events {
            entries.extend(book.take(record)?.into_iter().map(|entry| (entry, record)));
        }
        save(db, &book, &touched).await?;
        write(db, &entries).await?;
        balance(db, &entries).await?;
        Ok(entries.iter().map(|(_, record)| record.id).collect())
    }
}

/// Whose events are in a batch.
#[derive(Default)]
struct Touched {
    tickets: HashSet<TicketId>,
    orders: HashSet<OrderId>,
    payments: HashSet<PaymentId>,
}

impl Touched {
    /// None: nothing in the batch has to do with money.
    fn by(events: &[Recorded<DomainEvent>]) -> sqlx::Result<Option<Self>> {
        let mut touched = Self::default();
        for record in events {
            match &record.event {
                DomainEvent::Ticket(TicketEvent::TicketListed(_)) => {
                    touched.tickets.insert(id_of::<domain::Ticket, _>(record)?);
                }
                DomainEvent::Order(event) => {
                    touched.orders.insert(id_of::<Order, _>(record)?);
                    if let OrderEvent::OrderPlaced(terms) = event {
                        touched.tickets.insert(terms.ticket);
                    }
                }
                DomainEvent::Payment(_) => {
                    touched.payments.insert(id_of::<Payment, _>(record)?);
                }
                DomainEvent::Ticket(_)
                | DomainEvent::Account(_)
                | DomainEvent::EmailClaim(_)
                | DomainEvent::Notice(_) => {}
            }
        }
        let nothing =
            touched.tickets.is_empty() && touched.orders.is_empty() && touched.payments.is_empty();
        Ok((!nothing).then_some(touched))
    }
}

/// What the book knew of those that are touched.
async fn load(db: &mut PgConnection, touched: &Touched) -> sqlx::Result<Book> {
    let mut book = Book::default();
    let ids: Vec<Uuid> = touched.tickets.iter().map(|id| id.0).collect();
    let rows: Vec<(Uuid, Uuid)> =
        sqlx::query_as("SELECT ticket, seller FROM ledger_sellers WHERE ticket = ANY($1)")
            .bind(ids)
            .fetch_all(&mut *db)
            .await?;
    book.sellers = rows
        .into_iter()
        .map(|(ticket, seller)| (TicketId(ticket), domain::id::AccountId(seller)))
        .collect();
    let ids: Vec<Uuid> = touched.orders.iter().map(|id| id.0).collect();
    let rows: Vec<(Uuid, Json<book::Sale>)> =
        sqlx::query_as("SELECT id, facts FROM ledger_orders WHERE id = ANY($1)")
            .bind(ids)
            .fetch_all(&mut *db)
            .await?;
    book.orders = rows.into_iter().map(|(id, Json(sale))| (OrderId(id), sale)).collect();
    let ids: Vec<Uuid> = touched.payments.iter().map(|id| id.0).collect();
    let rows: Vec<(Uuid, Json<book::Paid>)> =
        sqlx::query_as("SELECT id, facts FROM ledger_payments WHERE id = ANY($1)")
            .bind(ids)
            .fetch_all(db)
            .await?;
    book.payments = rows.into_iter().map(|(id, Json(paid))| (PaymentId(id), paid)).collect();
    Ok(book)
}

async fn save(db: &mut PgConnection, book: &Book, touched: &Touched) -> sqlx::Result<()> {
    let (tickets, sellers): (Vec<Uuid>, Vec<Uuid>) =
        book.sellers.iter().map(|(ticket, seller)| (ticket.0, seller.0)).unzip();
    sqlx::query(
        "INSERT INTO ledger_sellers (ticket, seller) SELECT * FROM UNNEST($1::uuid[], $2::uuid[]) \
         ON CONFLICT (ticket) DO NOTHING",
    )
    .bind(tickets)
    .bind(sellers)
    .execute(&mut *db)
    .await?;
    let sales = touched.orders.iter().filter_map(|id| Some((id.0, Json(book.orders.get(id)?))));
    let (ids, facts): (Vec<Uuid>, Vec<Json<&book::Sale>>) = sales.unzip();
    sqlx::query(
        "INSERT INTO ledger_orders (id, facts) SELECT * FROM UNNEST($1::uuid[], $2::jsonb[]) \
         ON CONFLICT (id) DO UPDATE SET facts = excluded.facts",
    )
    .bind(ids)
    .bind(facts)
    .execute(&mut *db)
    .await?;
    let paid = touched.payments.iter().filter_map(|id| Some((id.0, Json(book.payments.get(id)?))));
    let (ids, facts): (Vec<Uuid>, Vec<Json<&book::Paid>>) = paid.unzip();
    sqlx::query(
        "INSERT INTO ledger_payments (id, facts) SELECT * FROM UNNEST($1::uuid[], $2::jsonb[]) \
         ON CONFLICT (id) DO UPDATE SET facts = excluded.facts",
    )
    .bind(ids)
    .bind(facts)
    .execute(db)
    .await
    .map(|_| ())
}

type Written<'a> = (Entry, &'a Recorded<DomainEvent>);

async fn write(db: &mut PgConnection, entries: &[Written<'_>]) -> sqlx::Result<()> {
    #[derive(Default)]
    struct Columns {
        debit: Vec<String>,
        credit: Vec<String>,
        amount_minor: Vec<i64>,
        currency: Vec<String>,
        why: Vec<&'static str>,
        stream: Vec<String>,
        event: Vec<Uuid>,
        at: Vec<Timestamp>,
        commit: Vec<i64>,
        prepare: Vec<i64>,
    }
    if entries.is_empty() {
        return Ok(());
    }
    let mut columns = Columns::default();
    for (entry, record) in entries {
        let (commit, prepare) = position_columns(record.position)?;
        columns.debit.push(entry.debit.to_string());
        columns.credit.push(entry.credit.to_string());
        columns.amount_minor.push(entry.amount.minor);
        columns.currency.push(entry.amount.currency.code());
        columns.why.push(entry.why);
        columns.stream.push(record.stream.clone());
        columns.event.push(record.id);
        columns.at.push(record.metadata.occurred_at);
        columns.commit.push(commit);
        columns.prepare.push(prepare);
    }
    sqlx::query(
        "INSERT INTO ledger (number, debit, credit, amount_minor, currency, why, stream, event, \
             at, commit_position, prepare_position) \
         SELECT (SELECT COALESCE(max(number), 0) FROM ledger) + new.place, new.debit, new.credit, \
             new.amount_minor, new.currency, new.why, new.stream, new.event, new.at, \
             new.commit_position, new.prepare_position \
         FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], \
             $7::uuid[], $8::timestamptz[], $9::bigint[], $10::bigint[]) WITH ORDINALITY \
             AS new (debit, credit, amount_minor, currency, why, stream, event, at, \
                 commit_position, prepare_position, place)",
    )
    .bind(columns.debit)
    .bind(columns.credit)
    .bind(columns.amount_minor)
    .bind(columns.currency)
    .bind(columns.why)
    .bind(columns.stream)
    .bind(columns.event)
    .bind(columns.at)
    .bind(columns.commit)
    .bind(columns.prepare)
    .execute(db)
    .await
    .map(|_| ())
}

/// Adds to what each account has given and got.
async fn balance(db: &mut PgConnection, entries: &[Written<'_>]) -> sqlx::Result<()> {
    let mut moved: HashMap<(String, String), (i64, i64)> = HashMap::new();
    for (Entry { debit, credit, amount, .. }, _) in entries {
        let currency = amount.currency.code();
        moved.entry((debit.to_string(), currency.clone())).or_default().0 += amount.minor;
        moved.entry((credit.to_string(), currency)).or_default().1 += amount.minor;
    }
    if moved.is_empty() {
        return Ok(());
    }
    let (mut account, mut currency) = (Vec::new(), Vec::new());
    let (mut debits, mut credits) = (Vec::new(), Vec::new());
    for ((of, code), (debit, credit)) in moved {
        account.push(of);
        currency.push(code);
        debits.push(debit);
        credits.push(credit);
    }
    sqlx::query(
        "INSERT INTO ledger_balances AS known (account, currency, debits_minor, credits_minor) \
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::bigint[]) \
         ON CONFLICT (account, currency) DO UPDATE SET \
             debits_minor = known.debits_minor + excluded.debits_minor, \
             credits_minor = known.credits_minor + excluded.credits_minor",
    )
    .bind(account)
    .bind(currency)
    .bind(debits)
    .bind(credits)
    .execute(db)
    .await
    .map(|_| ())
}
