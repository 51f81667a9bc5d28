//! `disintegrate` with `disintegrate-postgres`.

use anyhow::{anyhow, bail};
use disintegrate::serde::json::Json;
use disintegrate::{Decision, DecisionError, Event, NoSnapshot, WithSnapshot};
use disintegrate_postgres::{
    Error, Migrator, PgDecisionMaker, PgEventStore, PgSnapshotter, WithPgSnapshot, decision_maker,
};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use crate::shop::{Shop, Tried};
use crate::ticket::{Ticket, TicketCommand, TicketEvent, TicketRejection};

type Store = PgEventStore<TicketEvent, Json<TicketEvent>>;

/// A snapshot is written when more events than this had to be read after the last one.
const SNAPSHOT_EVERY_EVENTS: u64 = 10;

#[derive(Clone)]
pub struct WithDisintegrate {
    pool: PgPool,
    store: Store,
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
        let store = PgEventStore::new_uninitialized(pool.clone(), Json::default());
        let maker = if snapshots {
            let snapshotter = PgSnapshotter::try_new(pool.clone(), SNAPSHOT_EVERY_EVENTS).await?;
            Maker::Snapshots(decision_maker(store.clone(), WithSnapshot::new(snapshotter)))
        } else {
            Maker::Plain(decision_maker(store.clone(), NoSnapshot))
        };
        Ok(Self { pool, store, maker })
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
        Ok(Migrator::new(self.store.clone()).init_event_store().await?)
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
}

fn is_serialization(error: &sqlx::Error) -> bool {
    const SERIALIZATION_FAILURE: &str = "40001";
    let code = error.as_database_error().and_then(|error| error.code());
    code.as_deref() == Some(SERIALIZATION_FAILURE)
}
