//! Rebuilding the tickets and orders, and `COPY` of what came of it.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures::TryStreamExt;
use projectors::{Options, Stage};
use sqlx::postgres::PgPoolCopyExt;
use sqlx::{AssertSqlSafe, Executor, PgPool};

use crate::memory;
use crate::place::{Place, Shop, Used};

/// What one round came to; times in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) events: f64,
    pub(crate) rows: f64,
    /// Until the tables are full and have their indexes.
    pub(crate) fill: f64,
    pub(crate) prove: f64,
    pub(crate) copy: f64,
    /// Processor time of the fill: of the rebuild itself, of the log, of Postgres.
    pub(crate) cpu: [f64; 3],
    /// The peak of this process, the proof included.
    pub(crate) memory_mib: f64,
}

/// The tables of both read models.
const TABLES: [(&str, &str); 3] =
    [("tickets", "tickets"), ("tickets", "holds"), ("orders", "orders")];

impl Round {
    /// Of each figure by itself.
    pub(crate) fn median(rounds: &[Self]) -> Option<Self> {
        let of = |figure: &dyn Fn(&Self) -> f64| {
            let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied()
        };
        Some(Self {
            events: of(&|round| round.events)?,
            rows: of(&|round| round.rows)?,
            fill: of(&|round| round.fill)?,
            prove: of(&|round| round.prove)?,
            copy: of(&|round| round.copy)?,
            cpu: [
                of(&|round| round.cpu[0])?,
                of(&|round| round.cpu[1])?,
                of(&|round| round.cpu[2])?,
            ],
            memory_mib: of(&|round| round.memory_mib)?,
        })
    }

    pub(crate) fn events_per_second(&self) -> f64 {
        self.events / self.fill
    }

    /// Events a second of the rebuild by rows a second of `COPY`: what each of them takes in.
    pub(crate) fn share_of_copy(&self) -> f64 {
        self.events_per_second() / (self.rows / self.copy)
    }

    /// Rows a second of both, which put in the same rows.
    pub(crate) fn share_of_copy_in_rows(&self) -> f64 {
        self.copy / self.fill
    }
}

pub(crate) async fn round(place: &Place, shop: &Shop) -> anyhow::Result<Round> {
    let names = ["tickets".to_owned(), "orders".to_owned()];
    memory::forget_peak()?;
    let before = shop.used(place)?;
    let (began, mut proving, mut proven) = (Instant::now(), None, None);
    let mut events = 0;
    let mut tell = |stage: Stage| match stage {
        Stage::Filling(progress) => events = events.max(progress.events),
        Stage::Indexing => {}
        Stage::Proving(_) if proving.is_none() => {
            proving = Some((Instant::now(), shop.used(place)));
        }
        Stage::Proving(_) => {}
        Stage::Switching => {
            proven.get_or_insert_with(Instant::now);
        }
    };
    projectors::rebuild(&shop.log, &shop.pool, &names, Options::default(), &mut tell).await?;
    let (proving, after) = proving.context("no proof")?;
    let proven = proven.context("no switch")?;
    let memory_mib = memory::peak_mib()?;
    let (rows, copy) = copy(&shop.pool).await?;
    Ok(Round {
        events: events as f64,
        rows: rows as f64,
        fill: (proving - began).as_secs_f64(),
        prove: (proven - proving).as_secs_f64(),
        copy: copy.as_secs_f64(),
        cpu: spent(before, after?),
        memory_mib,
    })
}

fn spent(before: Used, after: Used) -> [f64; 3] {
    let each = [
        after.own - before.own,
        after.log - before.log,
        after.postgres.saturating_sub(before.postgres),
    ];
    each.map(|time| time.as_secs_f64())
}

/// Into empty tables like those that readers see, with all their indexes.
async fn copy(pool: &PgPool) -> anyhow::Result<(u64, Duration)> {
    let (mut rows, mut took) = (0, Duration::ZERO);
    pool.execute("DROP SCHEMA IF EXISTS copied CASCADE").await?;
    pool.execute("CREATE SCHEMA copied").await?;
    for (name, table) in TABLES {
        let schema: String = sqlx::query_scalar(
            "SELECT name || '_v' || version || CASE WHEN build = 1 THEN '' ELSE '_b' || build END \
             FROM projector.live WHERE name = $1",
        )
        .bind(name)
        .fetch_one(pool)
        .await?;
        let columns: Vec<String> = sqlx::query_scalar(
            "SELECT column_name::text FROM information_schema.columns \
             WHERE table_schema = $1 AND table_name = $2 AND is_generated = 'NEVER'",
        )
        .bind(&schema)
        .bind(table)
        .fetch_all(pool)
        .await?;
        let columns = columns.join(", ");
        let create = format!("CREATE TABLE copied.{table} (LIKE {schema}.{table} INCLUDING ALL)");
        pool.execute(AssertSqlSafe(create)).await?;
        let out = format!("COPY {schema}.{table} ({columns}) TO STDOUT (FORMAT binary)");
        let chunks: Vec<_> = pool.copy_out_raw(&out).await?.try_collect().await?;
        let began = Instant::now();
        let into = format!("COPY copied.{table} ({columns}) FROM STDIN (FORMAT binary)");
        let mut copy = pool.copy_in_raw(&into).await?;
        for chunk in chunks {
            copy.send(chunk).await?;
        }
        rows += copy.finish().await?;
        took += began.elapsed();
    }
    Ok((rows, took))
}
