//! `cqrs-es` with `postgres-es`.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::bail;
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{GenericQuery, QueryErrorHandler, QueryReplay};
use cqrs_es::{Aggregate, AggregateError, DomainEvent, EventEnvelope, View};
use postgres_es::{
    PostgresCqrs, PostgresEventRepository, PostgresViewRepository, postgres_aggregate_cqrs,
    postgres_cqrs,
};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use crate::replay::TicketRow;
use crate::shop::{Shop, Tried};
use crate::ticket::{Ticket, TicketCommand, TicketEvent, TicketRejection};

/// As the crate's `db/init.sql` has them.
const TABLES: [&str; 3] = [
    "create table if not exists events (
        aggregate_type text not null,
        aggregate_id text not null,
        sequence bigint check (sequence >= 0) not null,
        event_type text not null,
        event_version text not null,
        payload json not null,
        metadata json not null,
        primary key (aggregate_type, aggregate_id, sequence))",
    "create table if not exists snapshots (
        aggregate_type text not null,
        aggregate_id text not null,
        last_sequence bigint check (last_sequence >= 0) not null,
        current_snapshot bigint check (current_snapshot >= 0) not null,
        payload json not null,
        primary key (aggregate_type, aggregate_id, last_sequence))",
    "create table if not exists ticket_view (
        view_id text not null,
        version bigint check (version >= 0) not null,
        payload json not null,
        primary key (view_id))",
];

#[derive(Clone)]
pub struct WithCqrsEs {
    pool: PgPool,
    cqrs: Arc<PostgresCqrs<Ticket>>,
    snapshots: bool,
}

/// The command with the name of its ticket, which the framework does not hand to the aggregate.
pub struct Named {
    ticket: Uuid,
    command: TicketCommand,
}

impl WithCqrsEs {
    /// With snapshots the aggregate is stored after each command beside its events, and loaded
    /// without them: of the crate's two kinds of snapshot the faster one.
    pub async fn connect(url: &str, connections: u32, snapshots: bool) -> anyhow::Result<Self> {
        let options = PgPoolOptions::new().max_connections(connections);
        let pool = options.min_connections(connections).connect(url).await?;
        let cqrs = if snapshots {
            postgres_aggregate_cqrs(pool.clone(), Vec::new(), ())
        } else {
            postgres_cqrs(pool.clone(), Vec::new(), ())
        };
        Ok(Self { pool, cqrs: Arc::new(cqrs), snapshots })
    }
}

impl Shop for WithCqrsEs {
    async fn execute(&self, ticket: Uuid, command: TicketCommand) -> anyhow::Result<Tried> {
        match self.cqrs.execute(&ticket.to_string(), Named { ticket, command }).await {
            Ok(()) => Ok(Tried::Done),
            Err(AggregateError::AggregateConflict) => Ok(Tried::Conflict),
            Err(error) => bail!("cqrs-es: {error}"),
        }
    }

    async fn install(&self) -> anyhow::Result<()> {
        for table in TABLES {
            sqlx::query(table).execute(&self.pool).await?;
        }
        Ok(())
    }

    async fn fill(&self, histories: Vec<(Uuid, Vec<TicketEvent>)>) -> anyhow::Result<()> {
        let (mut ids, mut sequences) = (Vec::new(), Vec::new());
        let (mut kinds, mut payloads) = (Vec::new(), Vec::new());
        for (ticket, events) in &histories {
            let mut state = Ticket::default();
            for (event, sequence) in events.iter().zip(1_i64..) {
                ids.push(ticket.to_string());
                sequences.push(sequence);
                kinds.push(event.event_type());
                payloads.push(serde_json::to_value(event)?);
                state.take_in(event.clone());
            }
            if self.snapshots {
                let last = i64::try_from(events.len())?;
                sqlx::query("insert into snapshots values ('ticket', $1, $2, $2, $3)")
                    .bind(ticket.to_string())
                    .bind(last)
                    .bind(serde_json::to_value(state)?)
                    .execute(&self.pool)
                    .await?;
            }
        }
        sqlx::query(
            "insert into events select 'ticket', id, sequence, kind, '1.0', payload, '{}'
             from unnest($1::text[], $2::bigint[], $3::text[], $4::json[])
             as new (id, sequence, kind, payload)",
        )
        .bind(ids)
        .bind(sequences)
        .bind(kinds)
        .bind(payloads)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn replay(&self) -> anyhow::Result<()> {
        sqlx::query("truncate ticket_view").execute(&self.pool).await?;
        let failed = Arc::new(Mutex::new(None));
        let first = |failed: &Arc<Mutex<Option<String>>>| -> Box<QueryErrorHandler> {
            let failed = Arc::clone(failed);
            Box::new(move |error| {
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert_with(|| error.to_string());
            })
        };
        let rows =
            PostgresViewRepository::<TicketRow, Ticket>::new("ticket_view", self.pool.clone());
        let mut query = GenericQuery::new(Arc::new(rows));
        query.use_error_handler(first(&failed));
        let events = PostgresEventRepository::new(self.pool.clone());
        let mut replay: QueryReplay<_, _, Ticket> = QueryReplay::new(events, query);
        replay.use_error_handler(first(&failed));
        if let Err(error) = replay.replay_all().await {
            bail!("cqrs-es: {error}");
        }
        let failed = failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or(Ok(()), |error| bail!("cqrs-es: {error}"))
    }
}

impl View<Ticket> for TicketRow {
    fn update(&mut self, event: &EventEnvelope<Ticket>) {
        self.take_in(&event.payload);
    }
}

impl Aggregate for Ticket {
    const TYPE: &'static str = "ticket";
    type Command = Named;
    type Event = TicketEvent;
    type Error = TicketRejection;
    type Services = ();

    async fn handle(
        &mut self,
        Named { ticket, command }: Named,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), TicketRejection> {
        for event in self.decide(ticket, command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: TicketEvent) {
        self.take_in(event);
    }
}

impl DomainEvent for TicketEvent {
    fn event_type(&self) -> String {
        disintegrate::Event::name(self).to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}
