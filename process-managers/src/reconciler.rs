//! Reads the provider's own list of events, so that a webhook that was lost is found all the same.
//!
//! What is found goes in by the door that webhooks come in by, the stream that is named after the
//! event: found and told, in whatever order, it is noted once. How far the list was read is kept in
//! Postgres, and moves on only when everything before is in the log; reading a part again changes
//! nothing. One replica reads at a time, for thrift alone.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{SubsecRound, TimeDelta, Utc};
use domain::notice::{NoticeId, ProviderNoticeReceived, Receive};
use domain::{Actor, Cause, Notice, Timestamp};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Dependencies;
use crate::gateway::GatewayError;
use crate::process_manager::{TaskError, decided};

/// In whose name it is noted, and the row that keeps how far.
const NAME: &str = "reconciler";
/// How much is read again each time: events may appear a little late in the list.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);
/// How far back the first reading goes: so long Stripe goes on sending a webhook.
const FIRST_LOOK: TimeDelta = TimeDelta::days(3);
/// As much is read at once.
const WINDOW: TimeDelta = TimeDelta::hours(1);
/// How long a replica that has died is waited for, beyond two of its readings.
const LEASE: Duration = Duration::from_secs(10);
/// Times are kept as finely as everywhere.
const SECOND_DECIMALS: u16 = 6;

/// Reads until it is stopped.
pub(crate) struct Reconciler {
    deps: Dependencies,
    me: Uuid,
    /// What the last reading found: the next one finds most of it again.
    noted: HashSet<NoticeId>,
}

/// What came of one reading.
enum Reading {
    /// Another replica reads.
    Idle,
    CaughtUp,
    Behind,
}

/// Why a reading came to nothing. The next one begins at the same place.
#[derive(Debug, thiserror::Error)]
enum ReadingError {
    #[error("the provider's events cannot be read")]
    Provider(#[from] GatewayError),
    #[error("an event of the provider cannot be noted")]
    Log(#[from] TaskError),
    #[error("it cannot be kept how far the provider's events were read")]
    Database(#[from] sqlx::Error),
}

impl Reconciler {
    pub(crate) fn new(deps: Dependencies) -> Self {
        Self { deps, me: Uuid::new_v4(), noted: HashSet::new() }
    }

    pub(crate) async fn run(mut self, stop: &CancellationToken) {
        let mut failures = 0;
        loop {
            let read = tokio::select! {
                read = self.read() => read,
                () = stop.cancelled() => break,
            };
            let every = self.deps.tuning.reconcile_every;
            let wait = match read {
                Ok(Reading::Behind) => Duration::ZERO,
                Ok(Reading::Idle | Reading::CaughtUp) => every,
                Err(error) => {
                    failures += 1;
                    let error = crate::worker::with_sources(&error);
                    tracing::warn!(error, "what happened at the payment provider is not known");
                    every.max(self.deps.tuning.wait_after(failures))
                }
            };
            if wait <= every {
                failures = 0;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => break,
            }
        }
        if let Err(error) = self.give_up().await {
            tracing::debug!(%error, "another replica has to wait before it reads on");
        }
    }

    async fn read(&mut self) -> Result<Reading, ReadingError> {
        let Some((seen_until, now)) = self.claim().await? else { return Ok(Reading::Idle) };
        let from = seen_until.map_or(now - FIRST_LOOK, |seen_until| seen_until - OVERLAP);
        let end = Some(from + WINDOW).filter(|end| *end < now);
        let found = self.deps.gateway.events(from, end).await?;
        // By the provider's clock, whatever ours says.
        let newest = found.iter().map(|(_, notice)| notice.happened_at).max();
        let mut noted = HashSet::new();
        for (id, notice) in found {
            if !self.noted.contains(&id) {
                self.note(&id, notice).await?;
            }
            noted.insert(id);
        }
        if let Some(seen_until) = end.or(newest) {
            self.keep(seen_until).await?;
        }
        self.noted = noted;
        Ok(if end.is_some() { Reading::Behind } else { Reading::CaughtUp })
    }

    async fn note(&self, id: &NoticeId, notice: ProviderNoticeReceived) -> Result<(), TaskError> {
        let reading = Uuid::now_v7();
        let cause = Cause {
            command: id.command(),
            fingerprint: None,
            correlation: reading,
            causation: reading,
            actor: Actor::Process(NAME.to_owned()),
            trace: None,
            now: Utc::now().trunc_subsecs(SECOND_DECIMALS),
        };
        let kind = notice.kind.clone();
        let executed = self.deps.log.execute::<Notice>(id, Receive(notice), &cause).await;
        let Ok(executed) = decided(executed)?;
        if !executed.events.is_empty() {
            tracing::info!(event = %id, kind, "found what no webhook has told yet");
            metrics::counter!("reconciler_found_total").increment(1);
        }
        Ok(())
    }

    /// None: another replica reads. Else how far was read, and what time it is.
    async fn claim(&self) -> sqlx::Result<Option<(Option<Timestamp>, Timestamp)>> {
        let lease = self.deps.tuning.reconcile_every.saturating_mul(2).saturating_add(LEASE);
        sqlx::query_as(
            "INSERT INTO process_managers.reconciler AS known (name, claim, claimed_until)
             VALUES ($1, $2, now() + $3 * interval '1 millisecond')
             ON CONFLICT (name) DO UPDATE
             SET claim = excluded.claim, claimed_until = excluded.claimed_until
             WHERE known.claim = excluded.claim OR known.claimed_until <= now()
             RETURNING seen_until, now()",
        )
        .bind(NAME)
        .bind(self.me)
        .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
        .fetch_optional(self.pool())
        .await
    }

    async fn keep(&self, seen_until: Timestamp) -> sqlx::Result<()> {
        sqlx::query(
            "UPDATE process_managers.reconciler SET seen_until = $3
             WHERE name = $1 AND claim = $2 AND (seen_until IS NULL OR seen_until < $3)",
        )
        .bind(NAME)
        .bind(self.me)
        .bind(seen_until)
        .execute(self.pool())
        .await
        .map(|_| ())
    }

    async fn give_up(&self) -> sqlx::Result<()> {
        sqlx::query(
            "UPDATE process_managers.reconciler SET claimed_until = now()
             WHERE name = $1 AND claim = $2",
        )
        .bind(NAME)
        .bind(self.me)
        .execute(self.pool())
        .await
        .map(|_| ())
    }

    fn pool(&self) -> &PgPool {
        &self.deps.pool
    }
}
