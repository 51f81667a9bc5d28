//! From the acknowledgement of a command until readers see what came of it, under load.

use std::time::{Duration, Instant};

use anyhow::Context;
use domain::id::{AccountId, CommandId, TicketId};
use domain::money::{Currency, Money};
use domain::text::{Quantity, Title};
use domain::ticket::TicketCommand;
use domain::{Actor, Cause, Position, Ticket};
use eventlog::EventLog;
use sqlx::postgres::PgListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::place::Place;

/// At the beginning, and not counted.
const WARM_UP: Duration = Duration::from_secs(2);

/// What was measured, in milliseconds.
pub(crate) struct Live {
    pub(crate) seen: usize,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// All read models are kept as `ticketing projectors run` keeps them; the commands list tickets.
pub(crate) async fn measure(place: &Place, per_second: u64, seconds: u64) -> anyhow::Result<Live> {
    let shutdown = CancellationToken::new();
    let running = projectors::run(place.log.clone(), place.pool.clone(), shutdown.clone());
    let running = tokio::spawn(running);
    caught_up(place).await?;
    let mut listener = PgListener::connect_with(&place.pool).await?;
    listener.listen("projection").await?;
    let began = Instant::now();
    let mut sending = tokio::spawn(send(place.log.clone(), per_second, seconds));
    let (mut announced, mut acknowledged) = (Vec::new(), None);
    loop {
        tokio::select! {
            heard = listener.recv() => announced.extend(position_of(heard?.payload())?.map(|it| (it, Instant::now()))),
            sent = &mut sending, if acknowledged.is_none() => acknowledged = Some(sent??),
        }
        let last = announced.last().map(|(position, _)| *position);
        let awaited = acknowledged.as_ref().and_then(|all| all.iter().map(|(it, _)| *it).max());
        if awaited.is_some() && last >= awaited {
            break;
        }
    }
    shutdown.cancel();
    running.await??;
    let counted = acknowledged.unwrap_or_default().into_iter();
    let counted = counted.filter(|(_, at)| *at - began > WARM_UP);
    let mut times: Vec<Duration> = counted.filter_map(|it| wait(&announced, it)).collect();
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1));
    let ms = |percent| at(percent).map_or(f64::NAN, |time: &Duration| time.as_secs_f64() * 1e3);
    Ok(Live { seen: times.len(), p50: ms(50), p99: ms(99), max: ms(100) })
}

/// None: of another read model.
fn position_of(announcement: &str) -> anyhow::Result<Option<Position>> {
    let mut words = announcement.split(' ');
    if words.next() != Some("projector/tickets") {
        return Ok(None);
    }
    Ok(Some(words.next().context("no position")?.parse()?))
}

/// From the acknowledgement to the first announcement that has come as far; nothing, when readers saw
/// it before the writer had its answer.
fn wait(
    announced: &[(Position, Instant)],
    (position, acknowledged): (Position, Instant),
) -> Option<Duration> {
    let first = announced.partition_point(|(reached, _)| *reached < position);
    announced.get(first).map(|(_, at)| at.saturating_duration_since(acknowledged))
}

async fn caught_up(place: &Place) -> anyhow::Result<()> {
    let head = place.log.head().await?;
    loop {
        let status = projectors::status(&place.pool).await?;
        if status.iter().all(|status| status.position >= head) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// At its own pace, however long answers take. Gives when each was acknowledged.
async fn send(
    log: EventLog,
    per_second: u64,
    seconds: u64,
) -> anyhow::Result<Vec<(Position, Instant)>> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::try_from(per_second)?);
    let mut commands = JoinSet::new();
    for _ in 0..per_second * seconds {
        ticks.tick().await;
        let log = log.clone();
        commands.spawn(async move {
            let ticket = TicketId(Uuid::now_v7());
            let executed = log.execute_new::<Ticket>(&ticket, list()?, &cause()).await?;
            anyhow::Ok((executed.position.context("no position")?, Instant::now()))
        });
    }
    let mut acknowledged = Vec::new();
    while let Some(done) = commands.join_next().await {
        acknowledged.push(done??);
    }
    Ok(acknowledged)
}

fn list() -> anyhow::Result<TicketCommand> {
    Ok(TicketCommand::List {
        seller: AccountId(Uuid::now_v7()),
        title: Title::parse("An evening of early music")?,
        price: Money { minor: 2_450, currency: Currency::USD },
        quantity: Quantity::new(100)?,
        max_per_order: Quantity::new(10)?,
    })
}

fn cause() -> Cause {
    Cause {
        command: CommandId(Uuid::now_v7()),
        fingerprint: None,
        correlation: Uuid::now_v7(),
        causation: Uuid::now_v7(),
        actor: Actor::Anonymous,
        trace: None,
        now: chrono::Utc::now(),
    }
}
