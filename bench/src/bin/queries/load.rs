//! The clients: each has a connection and one request at a time on it. All live on one thread.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bench::http::Connection;
use bench::rate::Rate;
use futures::future::try_join_all;

use crate::subjects::Requests;

/// The first part of a measurement is not counted: a quarter of what is.
const WARM_UP_SHARE: u32 = 4;

/// So many clients, each asking again and again.
pub(crate) async fn run(
    address: SocketAddr,
    requests: &Requests,
    clients: usize,
    time: Duration,
) -> anyhow::Result<Rate> {
    let requests = requests.clone();
    let all = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let connections = try_join_all((0..clients).map(|_| Connection::open(address))).await?;
            let from = Instant::now() + time / WARM_UP_SHARE;
            let until = from + time;
            let asking = connections.into_iter().enumerate().map(|(client, connection)| {
                let numbers = (client..).step_by(clients);
                ask(connection, numbers.map(|number| requests(number)), from, until)
            });
            let times = try_join_all(asking).await?;
            anyhow::Ok(Rate::of(times.into_iter().flatten().collect(), time))
        })
    };
    tokio::task::spawn_blocking(all).await?
}

async fn ask(
    mut connection: Connection,
    mut requests: impl Iterator<Item = Vec<u8>>,
    from: Instant,
    until: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    loop {
        let begun = Instant::now();
        let Some(request) = requests.next().filter(|_| begun < until) else { return Ok(times) };
        let answer = connection.ask(&request).await?;
        ensure!(answer.status == 200, "{}", answer.text());
        if begun >= from {
            times.push(begun.elapsed());
        }
    }
}
