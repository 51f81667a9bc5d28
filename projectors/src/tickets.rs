//! Every ticket that was ever listed, with what is left of it.

mod holds;

use std::collections::BTreeMap;

use domain::id::{AccountId, OrderId, TicketId};
use domain::money::Money;
use domain::text::Quantity;
use domain::ticket::{TicketEvent, TicketListed};
use domain::{Aggregate, DomainEvent, Position, Recorded, Ticket, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use self::holds::{Hold, HoldKey, Holds};
use crate::new_rows::NewRows;
use crate::projection::{Changed, Projection, RowsOf};
use crate::stream::{id_of, integer_column, position_columns, revision_column};

pub(crate) struct Tickets;

impl Projection for Tickets {
    const NAME: &'static str = "tickets";
    const VERSION: u32 = 3;
    const TABLES: &'static str = include_str!("tickets.sql");
    const ROWS: &'static [RowsOf] = &[
        RowsOf { table: "tickets", column: "id", category: Some(Ticket::CATEGORY) },
        RowsOf { table: "holds", column: "ticket", category: Some(Ticket::CATEGORY) },
    ];

    async fn apply(
        db: &mut PgConnection,
        events: &[Recorded<DomainEvent>],
    ) -> sqlx::Result<Changed> {
        let events = ticket_events(events)?;
        if events.is_empty() {
            return Ok(Changed::default());
        }
        let mut holds = Holds::load(db, keys_to_load(&events)).await?;
        // By id, which is also the order of the index.
        let mut changes: BTreeMap<TicketId, Change<'_>> = BTreeMap::new();
        for event in &events {
            let change = changes.entry(event.ticket).or_default();
            change.take(event, &mut holds)?;
        }
        // Before the tickets, which show the one order of a single unit.
        holds.store(db).await?;
        let rows = changes.keys().map(|ticket| ticket.0).collect();
        let (listed, changed): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|(_, change)| change.listing.is_some());
        insert(db, listed, &holds).await?;
        update(db, changed).await?;
        Ok(rows)
    }
}

/// An event of a ticket, and what the tables need to know of its record.
struct TicketRecord<'a> {
    ticket: TicketId,
    event: &'a TicketEvent,
    record: &'a Recorded<DomainEvent>,
}

fn ticket_events(events: &[Recorded<DomainEvent>]) -> sqlx::Result<Vec<TicketRecord<'_>>> {
    let mut ours = Vec::new();
    for record in events {
        match &record.event {
            DomainEvent::Ticket(event) => {
                ours.push(TicketRecord { ticket: id_of::<Ticket, _>(record)?, event, record });
            }
            DomainEvent::Account(_)
            | DomainEvent::EmailClaim(_)
            | DomainEvent::Notice(_)
            | DomainEvent::Order(_)
            | DomainEvent::Payment(_) => {}
        }
    }
    Ok(ours)
}

/// The holds that the events change but do not begin.
fn keys_to_load(events: &[TicketRecord<'_>]) -> Vec<HoldKey> {
    let key = |event: &TicketRecord<'_>, order: OrderId| (event.ticket, order);
    let keys = events.iter().filter_map(|event| match event.event {
        TicketEvent::TicketReleased(released) => Some(key(event, released.order)),
        TicketEvent::TicketSold(sold) => Some(key(event, sold.order)),
        TicketEvent::TicketReturned(returned) => Some(key(event, returned.order)),
        TicketEvent::TicketListed(_)
        | TicketEvent::TicketEdited(_)
        | TicketEvent::TicketQuantityChanged(_)
        | TicketEvent::TicketWithdrawn(_)
        | TicketEvent::TicketReserved(_) => None,
    });
    keys.collect()
}

/// What a batch changes in one ticket.
#[derive(Default)]
struct Change<'a> {
    /// Present when the ticket is listed by this batch, so that its row is yet to be made.
    listing: Option<Listing>,
    title: Option<&'a str>,
    price: Option<Money>,
    quantity: Option<Quantity>,
    withdrawn: bool,
    /// Units more (or less) than before.
    reserved: i64,
    sold: i64,
    version: i64,
    /// Of the last event.
    position: Position,
}

/// What never changes in a ticket.
struct Listing {
    seller: AccountId,
    max_per_order: Quantity,
    at: Timestamp,
    position: Position,
}

impl<'a> Change<'a> {
    fn take(&mut self, event: &TicketRecord<'a>, holds: &mut Holds) -> sqlx::Result<()> {
        self.version = revision_column(event.record.revision)?;
        self.position = event.record.position;
        match event.event {
            TicketEvent::TicketListed(listed) => self.list(listed, event.record),
            TicketEvent::TicketEdited(edited) => {
                self.title = Some(edited.title.as_str());
                self.price = Some(edited.price);
            }
            TicketEvent::TicketQuantityChanged(changed) => {
                self.quantity = Some(changed.quantity);
            }
            TicketEvent::TicketWithdrawn(_) => self.withdrawn = true,
            TicketEvent::TicketReserved(reserved) => {
                let units = reserved.quantity.get().into();
                holds.put((event.ticket, reserved.order), Hold { units, sold: false });
                self.reserved = self.reserved.saturating_add(units);
            }
            TicketEvent::TicketReleased(released) => {
                if let Some(hold) = holds.take((event.ticket, released.order)) {
                    self.give_back(hold, hold.units);
                }
            }
            TicketEvent::TicketSold(sold) => {
                let key = (event.ticket, sold.order);
                if let Some(hold) = holds.take(key) {
                    self.give_back(hold, hold.units);
                    self.sold = self.sold.saturating_add(hold.units);
                    holds.put(key, Hold { sold: true, ..hold });
                }
            }
            TicketEvent::TicketReturned(returned) => {
                let key = (event.ticket, returned.order);
                if let Some(hold) = holds.take(key) {
                    let units = hold.units.min(returned.quantity.get().into());
                    self.give_back(hold, units);
                    holds.put(key, Hold { units: hold.units.saturating_sub(units), ..hold });
                }
            }
        }
        Ok(())
    }

    fn list(&mut self, listed: &'a TicketListed, record: &Recorded<DomainEvent>) {
        self.listing = Some(Listing {
            seller: listed.seller,
            max_per_order: listed.max_per_order,
            at: record.metadata.occurred_at,
            position: record.position,
        });
        self.title = Some(listed.title.as_str());
        self.price = Some(listed.price);
        self.quantity = Some(listed.quantity);
    }

    fn give_back(&mut self, hold: Hold, units: i64) {
        let count = if hold.sold { &mut self.sold } else { &mut self.reserved };
        *count = count.saturating_sub(units);
    }
}

// === Rows out of changes: new ones by `COPY`, for the others a column an array ===

/// What every change has.
#[derive(Default)]
struct Columns<'a> {
    id: Vec<Uuid>,
    title: Vec<Option<&'a str>>,
    price_minor: Vec<Option<i64>>,
    currency: Vec<Option<String>>,
    quantity: Vec<Option<i64>>,
    withdrawn: Vec<bool>,
    reserved: Vec<i64>,
    sold: Vec<i64>,
    version: Vec<i64>,
    changed_commit: Vec<i64>,
    changed_prepare: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, ticket: TicketId, change: &Change<'a>) -> sqlx::Result<()> {
        let (commit, prepare) = position_columns(change.position)?;
        self.id.push(ticket.0);
        self.title.push(change.title);
        self.price_minor.push(change.price.map(|price| price.minor));
        self.currency.push(change.price.map(|price| price.currency.code()));
        self.quantity.push(change.quantity.map(|quantity| quantity.get().into()));
        self.withdrawn.push(change.withdrawn);
        self.reserved.push(change.reserved);
        self.sold.push(change.sold);
        self.version.push(change.version);
        self.changed_commit.push(commit);
        self.changed_prepare.push(prepare);
        Ok(())
    }
}

const NEW_COLUMNS: [&str; 17] = [
    "id",
    "seller",
    "title",
    "price_minor",
    "currency",
    "quantity",
    "reserved",
    "sold",
    "max_per_order",
    "withdrawn",
    "order_id",
    "version",
    "listed_at",
    "listed_commit",
    "listed_prepare",
    "changed_commit",
    "changed_prepare",
];

async fn insert(
    db: &mut PgConnection,
    listed: Vec<(TicketId, Change<'_>)>,
    holds: &Holds,
) -> sqlx::Result<()> {
    let mut rows = NewRows::of("tickets", NEW_COLUMNS);
    for (ticket, change) in listed {
        let Some(listing) = &change.listing else { continue };
        let single = change.quantity == Some(Quantity::ONE);
        let order = holds.of_ticket(ticket).next().filter(|_| single).map(|order| order.0);
        let (listed_commit, listed_prepare) = position_columns(listing.position)?;
        let (changed_commit, changed_prepare) = position_columns(change.position)?;
        rows.push([
            &ticket.0,
            &listing.seller.0,
            &change.title,
            &change.price.map(|price| price.minor),
            &change.price.map(|price| price.currency.code()),
            &change.quantity.map(|quantity| integer_column(quantity.get())).transpose()?,
            &integer_column(change.reserved)?,
            &integer_column(change.sold)?,
            &integer_column(listing.max_per_order.get())?,
            &change.withdrawn,
            &order,
            &change.version,
            &listing.at,
            &listed_commit,
            &listed_prepare,
            &changed_commit,
            &changed_prepare,
        ])?;
    }
    rows.write(db).await
}

async fn update(db: &mut PgConnection, changed: Vec<(TicketId, Change<'_>)>) -> sqlx::Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let mut columns = Columns::default();
    for (ticket, change) in &changed {
        columns.push(*ticket, change)?;
    }
    sqlx::query(
        "UPDATE tickets SET \
             title = COALESCE(new.title, tickets.title), \
             price_minor = COALESCE(new.price_minor, tickets.price_minor), \
             currency = COALESCE(new.currency, tickets.currency), \
             quantity = COALESCE(new.quantity, tickets.quantity), \
             withdrawn = tickets.withdrawn OR new.withdrawn, \
             reserved = tickets.reserved + new.reserved, \
             sold = tickets.sold + new.sold, \
             version = new.version, \
             changed_commit = new.changed_commit, \
             changed_prepare = new.changed_prepare, \
             order_id = CASE WHEN COALESCE(new.quantity, tickets.quantity) = 1 THEN \
                 (SELECT holds.order_id FROM holds WHERE holds.ticket = tickets.id LIMIT 1) END \
         FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bool[], \
             $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[]) \
             AS new (id, title, price_minor, currency, quantity, withdrawn, reserved, sold, version, \
                 changed_commit, changed_prepare) \
         WHERE tickets.id = new.id",
    )
    .bind(columns.id)
    .bind(columns.title)
    .bind(columns.price_minor)
    .bind(columns.currency)
    .bind(columns.quantity)
    .bind(columns.withdrawn)
    .bind(columns.reserved)
    .bind(columns.sold)
    .bind(columns.version)
    .bind(columns.changed_commit)
    .bind(columns.changed_prepare)
    .execute(db)
    .await
    .map(|_| ())
}
