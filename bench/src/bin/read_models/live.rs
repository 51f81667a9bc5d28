//! From the acknowledgement of a command until a query shows what came of it, under load.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bench::http::{Connection, post};
use bench::process::{KEYS, Process};
use bench::rate::Rate;
use domain::id::{AccountId, CommandId, TicketId};
use domain::money::{Currency, Money};
use domain::text::{Quantity, Title};
use domain::ticket::TicketCommand;
use domain::{Actor, Cause, Position, Ticket};
use eventlog::EventLog;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::place::{Place, Shop};

/// At the beginning, and not counted.
const WARM_UP_SECONDS: u64 = 2;
/// How often the read models are looked at until they have caught up.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The commands list tickets, each followed by a query for that ticket, `atLeast` as of the command.
/// Projectors and the API of queries are processes of their own, as in production.
pub(crate) async fn measure(
    place: &Place,
    shop: &Shop,
    per_second: u64,
    seconds: u64,
) -> anyhow::Result<Rate> {
    let urls = ["--log-url", &shop.log_url, "--database-url", &shop.database_url];
    let words = |name: &str| place.directory.join(name);
    let run = ["projectors", "run", "--metrics", "127.0.0.1:0"];
    let run = [run.as_slice(), &urls].concat();
    let projectors = Process::start(&place.ticketing, &run, &[], &words("projectors.log"))?;
    caught_up(shop).await?;
    let api = ["query-api", "--listen", "127.0.0.1:0", "--limits", "off"];
    let api = [api.as_slice(), &["--metrics", "127.0.0.1:0"], &urls].concat();
    let mut api = Process::start(&place.ticketing, &api, &KEYS, &words("query-api.log"))?;
    let address = api.says("query-api: http://").await?.parse()?;

    let times = send(&shop.log, address, per_second, seconds).await?;
    api.stop().await?;
    projectors.stop().await?;
    Ok(Rate::of(times, Duration::from_secs(seconds)))
}

async fn caught_up(shop: &Shop) -> anyhow::Result<()> {
    let head = shop.log.head().await?;
    loop {
        let status = projectors::status(&shop.pool).await?;
        if status.iter().all(|status| status.position >= head) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// At its own pace, however long answers take. Gives how long after its acknowledgement each was
/// seen.
async fn send(
    log: &EventLog,
    address: SocketAddr,
    per_second: u64,
    seconds: u64,
) -> anyhow::Result<Vec<Duration>> {
    // As many as there are questions at a time.
    static IDLE: Mutex<Vec<Connection>> = Mutex::const_new(Vec::new());
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::try_from(per_second)?);
    let mut commands = JoinSet::new();
    let warm_up = per_second * WARM_UP_SECONDS;
    for number in 0..warm_up + per_second * seconds {
        ticks.tick().await;
        let log = log.clone();
        commands.spawn(async move {
            let ticket = TicketId(Uuid::now_v7());
            let executed = log.execute_new::<Ticket>(&ticket, list()?, &cause()).await?;
            let position = executed.position.context("no position")?;
            let acknowledged = Instant::now();
            let idle = IDLE.lock().await.pop();
            let mut connection = match idle {
                Some(connection) => connection,
                None => Connection::open(address).await?,
            };
            let answer = connection.ask(&query(ticket, position)).await?;
            let time = acknowledged.elapsed();
            ensure!(answer.text().contains(&format!("\"id\":\"{ticket}\"")), "{}", answer.text());
            IDLE.lock().await.push(connection);
            Ok((number >= warm_up).then_some(time))
        });
    }
    let mut times = Vec::new();
    while let Some(done) = commands.join_next().await {
        times.extend(done??);
    }
    Ok(times)
}

fn query(ticket: TicketId, position: Position) -> Vec<u8> {
    let query = format!(
        "{{ ticket(id: \"{ticket}\", atLeast: \"{position}\") {{ id title available version }} }}"
    );
    post("/graphql", &json!({ "query": query }))
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
