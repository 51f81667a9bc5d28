//! `disintegrate` with `disintegrate-postgres`.

use std::time::Duration;

use anyhow::{anyhow, bail, ensure};
use async_trait::async_trait;
use disintegrate::serde::json::Json;
use disintegrate::{
    Decision, DecisionError, Event, EventListener, NoSnapshot, PersistedEvent, StreamQuery,
    WithSnapshot,
};
use disintegrate_postgres::{
    Error, PgDecisionMaker, PgEventId, PgEventListener, PgEventListenerConfig, PgEventStore,
    PgSnapshotter, WithPgSnapshot, decision_maker,
};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::watch;
use uuid::Uuid;

use crate::shop::{Shop, Tried};
use crate::ticket::{Ticket, TicketCommand, TicketEvent, TicketRejection};

type Store = PgEventStore<TicketEvent, Json<TicketEvent>>;

/// What the crate's migrator makes, but for one number: the crate writes it as `0xFFFFFFFF`, which
/// Postgres reads from version 16 on only.
const TABLES: [&str; 9] = [
    "create sequence if not exists seq_event_event_id",
    "create table if not exists event (
        event_id bigint primary key default nextval('seq_event_event_id'),
        event_type varchar(255),
        payload bytea,
        inserted_at timestamp default now())",
    "create index if not exists idx_event_type_btree on event (event_type)",
    "create or replace function event_store_current_epoch() returns bigint as $$
     declare
        persisted_event_id bigint;
        pending_event_id bigint;
        db_id int;
     begin
        select coalesce(max(event_id), 0) into persisted_event_id from event;
        select oid into db_id from pg_database where datname = current_database();
        select min((l3.objid::bigint << 32) + l2.objid::bigint)
        into pending_event_id
        from pg_locks l1
        inner join pg_locks l2 on l1.pid = l2.pid
        inner join pg_locks l3 on l1.pid = l3.pid
        where l1.classid = db_id and l2.classid = 1 and l3.classid = 2
            and l1.locktype = 'advisory';
        return least(coalesce(pending_event_id, persisted_event_id), persisted_event_id);
     end;
     $$ language plpgsql",
    "create or replace function event_store_begin_epoch() returns void as $$
     declare
        id bigint;
        db_id int;
     begin
        select last_value into id from seq_event_event_id;
        select oid into db_id from pg_database where datname = current_database();
        perform pg_try_advisory_xact_lock_shared(db_id, 0);
        perform pg_try_advisory_xact_lock_shared(1, (id & 4294967295)::bit(32)::integer);
        perform pg_try_advisory_xact_lock_shared(2, (id >> 32)::bit(32)::integer);
     end;
     $$ language plpgsql",
    "alter table event add column if not exists ticket_id uuid",
    "create index if not exists idx_event_ticket_id on event (ticket_id)
     where ticket_id is not null",
    "create table if not exists event_listener (
        id text primary key,
        last_processed_event_id bigint,
        updated_at timestamp default now())",
    "create table if not exists ticket_row (
        id uuid primary key,
        title text not null,
        price_minor bigint not null,
        currency text not null,
        quantity bigint not null,
        reserved bigint not null)",
];

/// A snapshot is written when more events than this had to be read after the last one.
const SNAPSHOT_EVERY_EVENTS: u64 = 10;
/// How often its listener looks for more events; the first time at once.
const POLL_EVERY: Duration = Duration::from_millis(50);

#[derive(Clone)]
pub struct WithDisintegrate {
    pool: PgPool,
    maker: Maker,
}

#[derive(Clone)]
enum Maker {
    Plain(PgDecisionMaker<TicketEvent, Json<TicketEvent>, NoSnapshot>),
    Snapshots(PgDecisionMaker<TicketEvent, Json<TicketEvent>, WithPgSnapshot>),
}

struct Decide {
    ticket: Uuid,
    command: TicketCommand,
}

impl Decision for Decide {
    type Event = TicketEvent;
    type StateQuery = Ticket;
    type Error = TicketRejection;

    fn state_query(&self) -> Ticket {
        Ticket::named(self.ticket)
    }

    fn process(&self, state: &Ticket) -> Result<Vec<TicketEvent>, TicketRejection> {
        state.decide(self.ticket, self.command.clone())
    }
}

impl WithDisintegrate {
    pub async fn connect(url: &str, connections: u32, snapshots: bool) -> anyhow::Result<Self> {
        let options = PgPoolOptions::new().max_connections(connections);
        let pool = options.min_connections(connections).connect(url).await?;
        let store: Store = PgEventStore::new_uninitialized(pool.clone(), Json::default());
        let maker = if snapshots {
            let snapshotter = PgSnapshotter::try_new(pool.clone(), SNAPSHOT_EVERY_EVENTS).await?;
            Maker::Snapshots(decision_maker(store, WithSnapshot::new(snapshotter)))
        } else {
            Maker::Plain(decision_maker(store, NoSnapshot))
        };
        Ok(Self { pool, maker })
    }
}

impl Shop for WithDisintegrate {
    async fn execute(&self, ticket: Uuid, command: TicketCommand) -> anyhow::Result<Tried> {
        let decision = Decide { ticket, command };
        let made = match &self.maker {
            Maker::Plain(maker) => maker.make(decision).await,
            Maker::Snapshots(maker) => maker.make(decision).await,
        };
        match made {
            Ok(_) => Ok(Tried::Done),
            Err(DecisionError::Domain(refusal)) => bail!("disintegrate: {refusal}"),
            Err(DecisionError::EventStore(error) | DecisionError::StateStore(error)) => {
                match error.downcast_ref::<Error>() {
                    Some(Error::Concurrency) => Ok(Tried::Conflict),
                    // A conflict that Postgres found before the commit.
                    Some(Error::Database(database)) if is_serialization(database) => {
                        Ok(Tried::Conflict)
                    }
                    _ => Err(anyhow!("disintegrate: {error}")),
                }
            }
        }
    }

    async fn install(&self) -> anyhow::Result<()> {
        for table in TABLES {
            sqlx::query(table).execute(&self.pool).await?;
        }
        Ok(())
    }

    async fn fill(&self, histories: Vec<(Uuid, Vec<TicketEvent>)>) -> anyhow::Result<()> {
        let (mut ids, mut kinds, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
        for (ticket, events) in &histories {
            for event in events {
                ids.push(ticket.to_string());
                kinds.push(event.name().to_owned());
                payloads.push(serde_json::to_vec(event)?);
            }
        }
        sqlx::query(
            "insert into event (event_type, payload, ticket_id)
             select kind, payload, id::uuid
             from unnest($1::text[], $2::text[], $3::bytea[]) as new (id, kind, payload)",
        )
        .bind(ids)
        .bind(kinds)
        .bind(payloads)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn replay(&self) -> anyhow::Result<()> {
        sqlx::query("truncate event_listener, ticket_row").execute(&self.pool).await?;
        let last = sqlx::query_scalar("select coalesce(max(event_id), 0) from event");
        let (done, is_done) = watch::channel(false);
        let rows = Rows {
            pool: self.pool.clone(),
            query: disintegrate::query!(TicketEvent),
            last: last.fetch_one(&self.pool).await?,
            done,
        };
        let store: Store = PgEventStore::new_uninitialized(self.pool.clone(), Json::default());
        let once = PgEventListenerConfig::poller(POLL_EVERY);
        let listener =
            PgEventListener::builder(store).uninitialized().register_listener(rows, once);
        let mut shutdown = is_done.clone();
        // It also ends when the listener is dropped, as it is when it has given up.
        let all =
            async move { shutdown.wait_for(|done| *done).await.map(|_| ()).unwrap_or_default() };
        listener.start_with_shutdown(all).await?;
        ensure!(*is_done.borrow(), "disintegrate: its listener has given up");
        Ok(())
    }
}

/// Writes a row for each event, on a connection of its own: the crate hands over no transaction.
struct Rows {
    pool: PgPool,
    query: StreamQuery<PgEventId, TicketEvent>,
    last: PgEventId,
    /// Told once the last event has been taken.
    done: watch::Sender<bool>,
}

#[async_trait]
impl EventListener<PgEventId, TicketEvent> for Rows {
    type Error = sqlx::Error;

    fn id(&self) -> &'static str {
        "ticket_row"
    }

    fn query(&self) -> &StreamQuery<PgEventId, TicketEvent> {
        &self.query
    }

    async fn handle(
        &self,
        event: PersistedEvent<PgEventId, TicketEvent>,
    ) -> Result<(), Self::Error> {
        let id = event.id();
        let query = match event.into_inner() {
            TicketEvent::TicketListed {
                ticket_id, title, price_minor, currency, quantity, ..
            } => sqlx::query("insert into ticket_row values ($1, $2, $3, $4, $5, 0)")
                .bind(ticket_id)
                .bind(title)
                .bind(price_minor)
                .bind(currency)
                .bind(i64::from(quantity)),
            TicketEvent::TicketEdited { ticket_id, title, price_minor, currency } => sqlx::query(
                "update ticket_row set title = $2, price_minor = $3, currency = $4 where id = $1",
            )
            .bind(ticket_id)
            .bind(title)
            .bind(price_minor)
            .bind(currency),
            TicketEvent::TicketReserved { ticket_id, quantity, .. } => {
                sqlx::query("update ticket_row set reserved = reserved + $2 where id = $1")
                    .bind(ticket_id)
                    .bind(i64::from(quantity))
            }
        };
        query.execute(&self.pool).await?;
        if id >= self.last {
            self.done.send_replace(true);
        }
        Ok(())
    }
}

fn is_serialization(error: &sqlx::Error) -> bool {
    const SERIALIZATION_FAILURE: &str = "40001";
    let code = error.as_database_error().and_then(|error| error.code());
    code.as_deref() == Some(SERIALIZATION_FAILURE)
}
