//! `ticketing projectors status`

use std::time::Duration;

use chrono::Utc;
use clap::Args;
use domain::Position;
use eventlog::EventLog;
use projectors::{BEHIND_EVENTS_MAX, Behind, Status};
use serde::Serialize;
use sqlx::PgPool;
use std::process::ExitCode;
use tokio::time::Instant;

use super::places::Places;
use crate::shutdown;

/// Over which the rate is measured.
const SAMPLE: Duration = Duration::from_secs(1);
/// Begins the screen anew.
const CLEAR: &str = "\x1b[2J\x1b[H";

#[derive(Args, Debug)]
pub(crate) struct Settings {
    #[command(flatten)]
    places: Places,
    /// Show it again each second, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    /// Print one JSON object a read model.
    #[arg(long)]
    json: bool,
}

/// A read model and how it moves.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    status: Status,
    /// None when the log does not answer.
    lag_events: Option<u64>,
    /// How long ago the oldest event happened that is not taken yet.
    lag_seconds: Option<f64>,
    events_per_second: Option<f64>,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let (log, pool) = settings.places.open()?;
    let shutdown = shutdown::on_signal()?;
    let mut before = Sample::take(&pool).await?;
    loop {
        tokio::select! {
            () = tokio::time::sleep(SAMPLE) => {}
            () = shutdown.cancelled() => return Ok(ExitCode::SUCCESS),
        }
        let now = Sample::take(&pool).await?;
        let lines = lines(&log, &before, &now).await;
        if settings.json {
            for line in &lines {
                println!("{}", serde_json::to_string(line)?);
            }
        } else {
            if settings.watch {
                print!("{CLEAR}");
            }
            print(&lines);
        }
        if !settings.watch {
            return Ok(ExitCode::SUCCESS);
        }
        before = now;
    }
}

struct Sample {
    at: Instant,
    statuses: Vec<Status>,
}

impl Sample {
    async fn take(pool: &PgPool) -> anyhow::Result<Self> {
        Ok(Self { at: Instant::now(), statuses: projectors::status(pool).await? })
    }

    fn position(&self, name: &str) -> Option<Position> {
        self.statuses.iter().find(|status| status.name == name)?.position
    }
}

async fn lines(log: &EventLog, before: &Sample, now: &Sample) -> Vec<Line> {
    let seconds = (now.at - before.at).as_secs_f64();
    let mut lines = Vec::new();
    for status in now.statuses.clone() {
        let behind = projectors::behind(log, status.position).await.ok();
        let moved = taken(log, before.position(&status.name), status.position).await;
        #[allow(
            clippy::float_arithmetic,
            clippy::cast_precision_loss,
            reason = "a rate to look at"
        )]
        let rate = moved.map(|events| events as f64 / seconds);
        let lag_seconds = behind.as_ref().map(age);
        let lag_events = behind.map(|behind| behind.events);
        lines.push(Line { status, lag_events, lag_seconds, events_per_second: rate });
    }
    lines
}

/// How many events lie between two samples.
async fn taken(log: &EventLog, before: Option<Position>, now: Option<Position>) -> Option<u64> {
    let Some(now) = now else { return Some(0) };
    log.between(before, now, BEHIND_EVENTS_MAX).await.ok().map(|between| between.events)
}

fn age(behind: &Behind) -> f64 {
    let age = behind.since.and_then(|since| (Utc::now() - since).to_std().ok());
    age.unwrap_or_default().as_secs_f64()
}

fn print(lines: &[Line]) {
    println!(
        "{:<14} {:>7} {:>5} {:>22} {:>10} {:>10} {:>10} {:>7}",
        "read model", "version", "build", "position", "behind", "seconds", "events/s", "parked"
    );
    for Line { status, lag_events, lag_seconds, events_per_second } in lines {
        let Status { name, version, build, position, parked } = status;
        let position = position.map_or_else(|| "-".to_owned(), |position| position.to_string());
        let events = lag_events.map_or_else(
            || "?".to_owned(),
            |events| {
                let more = if events == BEHIND_EVENTS_MAX { "+" } else { "" };
                format!("{events}{more}")
            },
        );
        let number = |number: &Option<f64>| {
            number.map_or_else(|| "?".to_owned(), |number| format!("{number:.1}"))
        };
        let (seconds, rate) = (number(lag_seconds), number(events_per_second));
        println!(
            "{name:<14} {version:>7} {build:>5} {position:>22} {events:>10} {seconds:>10} \
             {rate:>10} {parked:>7}"
        );
    }
    if lines.iter().any(|line| line.status.parked > 0) {
        println!("\nwhat is parked, and why:  ticketing projectors park list");
    }
}
