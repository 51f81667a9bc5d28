//! Everything that ever happened, for audits: an event a row, without its body.

use domain::event::Actor;
use domain::{DomainEvent, Recorded, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{Changed, Projection, RowsOf};
use crate::stream::{position_columns, revision_column};

pub(crate) struct Timeline;

impl Projection for Timeline {
    const NAME: &'static str = "timeline";
    const VERSION: u32 = 1;
    const TABLES: &'static str = include_str!("timeline.sql");
    const ROWS: &'static [RowsOf] =
        &[RowsOf { table: "timeline", column: "stream", category: None }];

    async fn apply(
        db: &mut PgConnection,
        events: &[Recorded<DomainEvent>],
    ) -> sqlx::Result<Changed> {
        let mut columns = Columns::default();
        for record in events {
            columns.push(record)?;
        }
        insert(db, columns).await?;
        Ok(events.iter().map(|record| record.id).collect())
    }
}

#[derive(Default)]
struct Columns<'a> {
    event_id: Vec<Uuid>,
    commit: Vec<i64>,
    prepare: Vec<i64>,
    stream: Vec<&'a str>,
    aggregate: Vec<&'a str>,
    aggregate_id: Vec<&'a str>,
    revision: Vec<i64>,
    event: Vec<&'a str>,
    actor: Vec<&'static str>,
    actor_id: Vec<Option<String>>,
    command: Vec<Uuid>,
    correlation: Vec<Uuid>,
    causation: Vec<Uuid>,
    occurred_at: Vec<Timestamp>,
    recorded_at: Vec<Timestamp>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, record: &'a Recorded<DomainEvent>) -> sqlx::Result<()> {
        let (commit, prepare) = position_columns(record.position)?;
        let (aggregate, aggregate_id) =
            record.stream.split_once('-').unwrap_or((&record.stream, ""));
        let (actor, actor_id) = match &record.metadata.actor {
            Actor::Anonymous => ("anonymous", None),
            Actor::Person(account) => ("person", Some(account.to_string())),
            Actor::Process(name) => ("process", Some(name.clone())),
        };
        self.event_id.push(record.id);
        self.commit.push(commit);
        self.prepare.push(prepare);
        self.stream.push(&record.stream);
        self.aggregate.push(aggregate);
        self.aggregate_id.push(aggregate_id);
        self.revision.push(revision_column(record.revision)?);
        self.event.push(&record.event_type);
        self.actor.push(actor);
        self.actor_id.push(actor_id);
        self.command.push(record.metadata.command.0);
        self.correlation.push(record.metadata.correlation);
        self.causation.push(record.metadata.causation);
        self.occurred_at.push(record.metadata.occurred_at);
        self.recorded_at.push(record.at);
        Ok(())
    }
}

async fn insert(db: &mut PgConnection, columns: Columns<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO timeline (event_id, commit_position, prepare_position, stream, aggregate, \
             aggregate_id, revision, event, actor, actor_id, command, correlation, causation, \
             occurred_at, recorded_at) \
         SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], \
             $6::text[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::uuid[], \
             $12::uuid[], $13::uuid[], $14::timestamptz[], $15::timestamptz[])",
    )
    .bind(columns.event_id)
    .bind(columns.commit)
    .bind(columns.prepare)
    .bind(columns.stream)
    .bind(columns.aggregate)
    .bind(columns.aggregate_id)
    .bind(columns.revision)
    .bind(columns.event)
    .bind(columns.actor)
    .bind(columns.actor_id)
    .bind(columns.command)
    .bind(columns.correlation)
    .bind(columns.causation)
    .bind(columns.occurred_at)
    .bind(columns.recorded_at)
    .execute(db)
    .await
    .map(|_| ())
}
