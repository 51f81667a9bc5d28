//! What was sold and what went back, by seller, ticket, day and currency.

mod known;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use domain::order::OrderEvent;
use domain::ticket::TicketEvent;
use domain::{DomainEvent, Order, Recorded, Ticket};
use sqlx::PgConnection;
use uuid::Uuid;

use self::known::{Known, Sale};
use crate::projection::{Changed, Projection, RowsOf};
use crate::stream::id_of;

pub(crate) struct SalesByDay;

impl Projection for SalesByDay {
    const NAME: &'static str = "sales_by_day";
    const VERSION: u32 = 1;
    const TABLES: &'static str = include_str!("sales_by_day.sql");
    const ROWS: &'static [RowsOf] = &[];

    async fn apply(
        db: &mut PgConnection,
        events: &[Recorded<DomainEvent>],
    ) -> sqlx::Result<Changed> {
        let mut known = Known::load(db, events).await?;
        let mut days = Days::default();
        for record in events {
            match &record.event {
                DomainEvent::Ticket(TicketEvent::TicketListed(listed)) => {
                    known.list(id_of::<Ticket, _>(record)?, listed.seller);
                }
                DomainEvent::Order(event) => days.take(event, record, &mut known)?,
                DomainEvent::Ticket(_)
                | DomainEvent::Account(_)
                | DomainEvent::EmailClaim(_)
                | DomainEvent::Notice(_)
                | DomainEvent::Payment(_) => {}
            }
        }
        known.store(db).await?;
        let rows = days.0.keys().map(|key| key.ticket).collect();
        days.store(db).await?;
        Ok(rows)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    seller: Uuid,
    ticket: Uuid,
    day: NaiveDate,
    currency: String,
}

/// What a batch adds to one row.
#[derive(Default)]
struct Sum {
    units: i64,
    gross: i64,
    refunded: i64,
}

#[derive(Default)]
struct Days(BTreeMap<Key, Sum>);

impl Days {
    fn take(
        &mut self,
        event: &OrderEvent,
        record: &Recorded<DomainEvent>,
        known: &mut Known,
    ) -> sqlx::Result<()> {
        let order = id_of::<Order, _>(record)?;
        match event {
            OrderEvent::OrderPlaced(terms) => known.place(order, Sale::of(terms)),
            OrderEvent::OrderCompleted(_) | OrderEvent::OrderReinstated(_) => {
                let sale = known.sale(order)?.clone();
                let sum = self.of(&sale, record, known)?;
                sum.units = sum.units.saturating_add(sale.units);
                sum.gross = sum.gross.saturating_add(sale.total);
            }
            OrderEvent::OrderRefundRequested(asked) => {
                known.sale_to_change(order)?.refund = Some(asked.amount.minor);
            }
            OrderEvent::OrderRefunded(_) => {
                let sale = known.sale(order)?.clone();
                let sum = self.of(&sale, record, known)?;
                sum.refunded = sum.refunded.saturating_add(sale.refund.unwrap_or(sale.total));
            }
            OrderEvent::OrderPaymentStarted(_)
            | OrderEvent::OrderPaymentFailed(_)
            | OrderEvent::OrderCancelled(_)
            | OrderEvent::OrderExpired(_)
            | OrderEvent::OrderPaymentTurnedAway(_) => {}
        }
        Ok(())
    }

    fn of(
        &mut self,
        sale: &Sale,
        record: &Recorded<DomainEvent>,
        known: &Known,
    ) -> sqlx::Result<&mut Sum> {
        let key = Key {
            seller: known.seller(sale.ticket)?.0,
            ticket: sale.ticket.0,
            day: record.metadata.occurred_at.date_naive(),
            currency: sale.currency.clone(),
        };
        Ok(self.0.entry(key).or_default())
    }

    async fn store(self, db: &mut PgConnection) -> sqlx::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let (mut sellers, mut tickets, mut days, mut currencies) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut units, mut gross, mut refunded) = (Vec::new(), Vec::new(), Vec::new());
        for (key, sum) in self.0 {
            sellers.push(key.seller);
            tickets.push(key.ticket);
            days.push(key.day);
            currencies.push(key.currency);
            units.push(sum.units);
            gross.push(sum.gross);
            refunded.push(sum.refunded);
        }
        sqlx::query(
            "INSERT INTO sales_by_day AS known (seller, ticket, day, currency, units_sold, \
                 gross_minor, refunded_minor) \
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::date[], $4::text[], $5::bigint[], \
                 $6::bigint[], $7::bigint[]) \
             ON CONFLICT (seller, ticket, day, currency) DO UPDATE SET \
                 units_sold = known.units_sold + excluded.units_sold, \
                 gross_minor = known.gross_minor + excluded.gross_minor, \
                 refunded_minor = known.refunded_minor + excluded.refunded_minor",
        )
        .bind(sellers)
        .bind(tickets)
        .bind(days)
        .bind(currencies)
        .bind(units)
        .bind(gross)
        .bind(refunded)
        .execute(db)
        .await
        .map(|_| ())
    }
}
