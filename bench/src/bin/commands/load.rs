//! The clients: each has a connection and one request at a time on it. All live on one thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use anyhow::bail;
use bench::http::Connection;
use bench::rate::Rate;
use futures::future::try_join_all;

use crate::plan::{Client, Person, Plan};

/// The first part of a measurement is not counted: a quarter of what is.
const WARM_UP_SHARE: u32 = 4;
const SOLD_OUT: u16 = 400;

/// What came of a measurement.
pub(crate) struct Outcome {
    pub(crate) rate: Rate,
    /// Requests that succeeded, with those of the warm-up.
    pub(crate) succeeded: u64,
}

/// Whoever asks, and where.
pub(crate) struct Clients {
    address: SocketAddr,
    people: Arc<Vec<Person>>,
    price: Arc<AtomicU64>,
}

impl Clients {
    pub(crate) fn new(address: SocketAddr, people: Arc<Vec<Person>>) -> Self {
        Self { address, people, price: Arc::default() }
    }

    pub(crate) fn elsewhere(&self, address: SocketAddr) -> Self {
        Self { address, people: Arc::clone(&self.people), price: Arc::clone(&self.price) }
    }

    /// So many clients for so long; with no time given until each has nothing more to ask for.
    pub(crate) async fn run(
        &self,
        plan: Plan,
        clients: u64,
        time: Option<Duration>,
    ) -> anyhow::Result<Outcome> {
        let (address, people) = (self.address, Arc::clone(&self.people));
        let price = Arc::clone(&self.price);
        let all = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(run(address, &people, &price, plan, clients, time))
        };
        tokio::task::spawn_blocking(all).await?
    }
}

async fn run(
    address: SocketAddr,
    people: &[Person],
    price: &AtomicU64,
    plan: Plan,
    clients: u64,
    time: Option<Duration>,
) -> anyhow::Result<Outcome> {
    let connections = (0..clients).map(|_| Connection::open(address));
    let connections = try_join_all(connections).await?;
    let began = Instant::now();
    let counted =
        time.map(|time| (began + time / WARM_UP_SHARE, began + time / WARM_UP_SHARE + time));
    let work = connections.into_iter().zip(0..).map(|(connection, number)| {
        work(connection, Client { plan, people, number, of: clients, price }, counted)
    });
    let done = try_join_all(work).await?;
    let within = time.unwrap_or_else(|| began.elapsed());
    let succeeded = done.iter().map(|done| done.succeeded).sum();
    let times = done.into_iter().flat_map(|done| done.times).collect();
    Ok(Outcome { rate: Rate::of(times, within), succeeded })
}

#[derive(Default)]
struct Done {
    times: Vec<Duration>,
    succeeded: u64,
}

/// `counted`: from when on and until when; none: everything counts and the plan ends by itself.
async fn work(
    mut connection: Connection,
    client: Client<'_>,
    counted: Option<(Instant, Instant)>,
) -> anyhow::Result<Done> {
    let (mut done, mut request) = (Done::default(), Vec::with_capacity(1024));
    for turn in 0.. {
        let begun = Instant::now();
        let over = counted.is_some_and(|(_, until)| begun >= until);
        if over || !client.request(turn, &mut request)? {
            break;
        }
        let answer = connection.ask(&request).await?;
        match answer.status {
            200 | 201 => {}
            SOLD_OUT if counted.is_none() && matches!(client.plan, Plan::Order(_)) => break,
            _ => bail!("{}", answer.text()),
        }
        done.succeeded += 1;
        let ended = Instant::now();
        if counted.is_none_or(|(from, until)| from <= ended && ended < until) {
            done.times.push(ended - begun);
        }
    }
    Ok(done)
}
