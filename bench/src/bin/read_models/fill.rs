//! Rebuilding the tickets and orders, and `COPY` of what came of it.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures::TryStreamExt;
use projectors::{Options, Stage};
use sqlx::postgres::PgPoolCopyExt;
use sqlx::{AssertSqlSafe, Executor, PgPool};

use crate::place::Place;

/// What one round came to; times in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) events: u64,
    pub(crate) rows: u64,
    /// Until the tables are full and have their indexes.
    pub(crate) fill: f64,
    pub(crate) prove: f64,
    pub(crate) copy: f64,
    /// The peak of this process so far.
    pub(crate) memory_mib: f64,
}

/// The tables of both read models.
const TABLES: [(&str, &str); 3] =
    [("tickets", "tickets"), ("tickets", "holds"), ("orders", "orders")];

impl Round {
    /// Of each figure by itself.
    pub(crate) fn median(rounds: &[Self]) -> Option<Self> {
        let of = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied()
        };
        let first = rounds.first()?;
        Some(Self {
            events: first.events,
            rows: first.rows,
            fill: of(|round| round.fill)?,
            prove: of(|round| round.prove)?,
            copy: of(|round| round.copy)?,
            memory_mib: of(|round| round.memory_mib)?,
        })
    }
}

pub(crate) async fn round(place: &Place) -> anyhow::Result<Round> {
    let names = ["tickets".to_owned(), "orders".to_owned()];
    let (began, mut proving, mut proven) = (Instant::now(), None, None);
    let mut events = 0;
    let mut tell = |stage: Stage| match stage {
        Stage::Filling(progress) => events = events.max(progress.events),
        Stage::Indexing => {}
        Stage::Proving(_) => {
            proving.get_or_insert_with(Instant::now);
        }
        Stage::Switching => {
            proven.get_or_insert_with(Instant::now);
        }
    };
    projectors::rebuild(&place.log, &place.pool, &names, Options::default(), &mut tell).await?;
    let (proving, proven) = (proving.context("no proof")?, proven.context("no switch")?);
    let (rows, copy) = copy(&place.pool).await?;
    Ok(Round {
        events,
        rows,
        fill: (proving - began).as_secs_f64(),
        prove: (proven - proving).as_secs_f64(),
        copy: copy.as_secs_f64(),
        memory_mib: peak_mib()?,
    })
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

fn peak_mib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
