//! One process of the relay: a worker for each partition that is its to work on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use eventlog::{EventLog, FollowError, checkpoint};
use metrics::gauge;
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::broker::Broker;
use crate::halt::Halt;
use crate::nats::Connection;
use crate::relay::Relay;
use crate::share::{self, Epoch, Held, Member, TURN};
use crate::{Partition, Settings, Sharing, follower_name, layout, progress};

/// Between tries to make the tables while Postgres is away.
const INSTALL_AGAIN: Duration = Duration::from_secs(1);

pub(crate) struct Crew {
    log: EventLog,
    pool: PgPool,
    settings: Settings,
    connection: Arc<Connection>,
    member: Member,
    workers: HashMap<Partition, Worker>,
    running: JoinSet<(Partition, Result<(), FollowError>)>,
    /// What stopped the partitions that refuse to go on; they are not begun again by this process.
    halted: HashMap<Partition, FollowError>,
}

struct Worker {
    /// Of its lease; none without one.
    epoch: Option<Epoch>,
    end: CancellationToken,
}

impl Crew {
    pub(crate) fn new(log: EventLog, pool: PgPool, settings: Settings) -> Self {
        let connection = Arc::new(Connection::new(settings.nats.clone()));
        Self {
            log,
            pool,
            settings,
            connection,
            member: Member(Uuid::new_v4()),
            workers: HashMap::new(),
            running: JoinSet::new(),
            halted: HashMap::new(),
        }
    }

    /// Until `shutdown`, or until every partition has halted.
    pub(crate) async fn work(mut self, shutdown: CancellationToken) -> Result<(), FollowError> {
        if !self.prepare(&shutdown).await? {
            return Ok(());
        }
        while self.halted.len() < self.settings.partitions().len() {
            self.share_out().await;
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(TURN) => {}
                Some(ended) = self.running.join_next() => self.note_end(ended).await,
            }
        }
        self.end().await;
        match self.halted.into_values().next() {
            Some(error) if !shutdown.is_cancelled() => Err(error),
            Some(_) | None => Ok(()),
        }
    }

    /// Makes the tables as soon as Postgres is there. False: the end came first.
    async fn prepare(&self, shutdown: &CancellationToken) -> Result<bool, FollowError> {
        loop {
            match self.install().await {
                Ok(Ok(())) => return Ok(true),
                Ok(Err(halt)) => {
                    let follower = follower_name(&self.settings.stream);
                    return Err(FollowError::Halted { follower, source: Box::new(halt) });
                }
                Err(error) => {
                    tracing::warn!(%error, "the tables of the relay cannot be made yet");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(false),
                () = tokio::time::sleep(INSTALL_AGAIN) => {}
            }
        }
    }

    async fn install(&self) -> sqlx::Result<Result<(), Halt>> {
        install(&self.pool).await?;
        let streams: Vec<String> =
            self.settings.partitions().iter().map(Partition::stream).collect();
        share::install(&self.pool, &streams).await?;
        layout::check(&self.pool, &self.settings.stream, self.settings.partitions).await
    }

    /// Begins what is this process's to do, and ends what is not any more.
    async fn share_out(&mut self) {
        let mut open = self.settings.partitions();
        open.retain(|partition| !self.halted.contains_key(partition));
        let ours: HashMap<Partition, Option<Epoch>> = match self.settings.sharing {
            Sharing::Racing => open.into_iter().map(|partition| (partition, None)).collect(),
            Sharing::Leases => {
                let streams: Vec<String> = open.iter().map(Partition::stream).collect();
                match self.member.turn(&self.pool, &streams).await {
                    Ok(held) => of_streams(&open, &held),
                    // Nobody else can take anything meanwhile either.
                    Err(error) => {
                        tracing::warn!(%error, "the relay cannot see who works on what");
                        return;
                    }
                }
            }
        };
        for (partition, worker) in &self.workers {
            if ours.get(partition) != Some(&worker.epoch) {
                worker.end.cancel();
            }
        }
        for (partition, epoch) in ours {
            if !self.workers.contains_key(&partition) {
                self.begin(partition, epoch);
            }
        }
        self.report();
    }

    fn begin(&mut self, partition: Partition, epoch: Option<Epoch>) {
        let end = CancellationToken::new();
        let broker = Broker::new(
            Arc::clone(&self.connection),
            partition.clone(),
            self.settings.limits,
            self.settings.atomic_batches,
        );
        let log = self.log.clone();
        let mut relay =
            Relay::new(log.clone(), self.pool.clone(), broker, partition.clone(), epoch);
        tracing::info!(stream = partition.stream(), epoch, "relaying");
        self.workers.insert(partition.clone(), Worker { epoch, end: end.clone() });
        self.running.spawn(async move {
            let ended = eventlog::follow(&log, &mut relay, end).await;
            relay.close().await;
            (partition, ended)
        });
    }

    async fn note_end(
        &mut self,
        ended: Result<(Partition, Result<(), FollowError>), tokio::task::JoinError>,
    ) {
        let (partition, outcome) = match ended {
            Ok(ended) => ended,
            // A fault in the program: as loud as it would be without a task around it.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let stream = partition.stream();
        let worker = self.workers.remove(&partition);
        if let Some(epoch) = worker.and_then(|worker| worker.epoch) {
            let held = Held { stream: stream.clone(), epoch };
            // Not given back, it runs out.
            let _given_back = self.member.release(&self.pool, &held).await;
        }
        if let Err(error) = outcome {
            let why = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), ToString::to_string);
            tracing::error!(stream, "the relay of this stream has halted: {why}");
            // For `status`; the log line above says the same.
            let _noted = progress::note_halt(&self.pool, &stream, Some(&why)).await;
            self.halted.insert(partition, error);
        }
        self.report();
    }

    async fn end(&mut self) {
        for worker in self.workers.values() {
            worker.end.cancel();
        }
        while let Some(ended) = self.running.join_next().await {
            self.note_end(ended).await;
        }
        if self.settings.sharing == Sharing::Leases {
            // Not said, it is noticed.
            let _said = self.member.leave(&self.pool).await;
        }
    }

    fn report(&self) {
        for partition in self.settings.partitions() {
            let stream = partition.stream();
            let halted = if self.halted.contains_key(&partition) { 1.0 } else { 0.0 };
            gauge!("relay_halted", "stream" => stream.clone()).set(halted);
            let active = if self.workers.contains_key(&partition) { 1.0 } else { 0.0 };
            gauge!("relay_active", "stream" => stream).set(active);
        }
    }
}

/// Makes the relay's tables; safe when several processes do so at once.
pub(crate) async fn install(pool: &PgPool) -> sqlx::Result<()> {
    checkpoint::install(pool).await?;
    progress::install(pool).await
}

fn of_streams(partitions: &[Partition], held: &[Held]) -> HashMap<Partition, Option<Epoch>> {
    let epoch_of = |stream: &str| held.iter().find(|held| held.stream == stream);
    let ours = partitions.iter().filter_map(|partition| {
        let held = epoch_of(&partition.stream())?;
        Some((partition.clone(), Some(held.epoch)))
    });
    ours.collect()
}
