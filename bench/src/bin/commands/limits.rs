//! What this machine can do at most: requests to a server that does nothing, and appends to the log
//! alone. (Syncs of its disk: `bench::disk`.)

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use bench::rate::Rate;
use eventstore::{BatchAppendClient, BatchAppendOptions, Client, EventData, StreamState};
use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use uuid::Uuid;

/// The data of an appended event, as the benchmark of the log has it.
const EVENT_BYTES: usize = 300;
/// Each worker appends to so many streams in turn.
const STREAMS_PER_WORKER: usize = 40;
const WARM_UP_SHARE: u32 = 4;

/// Answers every order at once with an answer as long as the shop's, until standard input ends.
pub(crate) async fn serve_nothing() -> anyhow::Result<()> {
    let answer = || async {
        let answer: Json<Value> = Json(json!({
            "id": Uuid::nil(), "title": "Concert in the park", "price": 19.99, "currency": "usd",
            "quantity": 1, "available": 1, "userId": Uuid::nil(), "version": 0,
        }));
        (StatusCode::CREATED, answer)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("idle: {}", listener.local_addr()?);
    let listener = axum::serve::ListenerExt::tap_io(listener, |connection| {
        // Without it the clients would wait; should it fail, they do.
        let _slower = connection.set_nodelay(true);
    });
    let end = async {
        // An error ends it as well.
        let _ended = tokio::io::stdin().read(&mut [0]).await;
    };
    let router = Router::new().route("/api/tickets", post(answer));
    Ok(axum::serve(listener, router).with_graceful_shutdown(end).await?)
}

/// Appends of one event each by `BatchAppend`, with so many in flight.
pub(crate) async fn appends(url: &str, in_flight: usize, time: Duration) -> anyhow::Result<Rate> {
    let client = Client::new(url.parse()?).map_err(|error| anyhow::anyhow!("{error}"))?;
    let batch = Arc::new(client.batch_append(&BatchAppendOptions::default()).await?);
    let from = Instant::now() + time / WARM_UP_SHARE;
    let workers =
        (0..in_flight).map(|_| tokio::spawn(append(Arc::clone(&batch), from, from + time)));
    let mut times = Vec::new();
    for worker in try_join_all(workers).await? {
        times.extend(worker?);
    }
    Ok(Rate::of(times, time))
}

async fn append(
    batch: Arc<BatchAppendClient>,
    from: Instant,
    until: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut streams: Vec<_> = (0..STREAMS_PER_WORKER)
        .map(|_| (format!("bench-{}", Uuid::new_v4()), StreamState::NoStream))
        .collect();
    let mut times = Vec::new();
    for turn in 0.. {
        let (stream, state) = &mut streams[turn % STREAMS_PER_WORKER];
        let mut data = Uuid::new_v4().to_string();
        data.extend(std::iter::repeat_n('x', EVENT_BYTES - data.len()));
        let event = EventData::binary("OrderPlaced.v1", data.into());
        let begun = Instant::now();
        batch.append_to_stream(stream.as_str(), *state, vec![event]).await?;
        let ended = Instant::now();
        if ended >= until {
            break;
        }
        if ended >= from {
            times.push(ended - begun);
        }
        let revision = (turn / STREAMS_PER_WORKER) as u64;
        *state = StreamState::StreamRevision(revision);
    }
    Ok(times)
}
