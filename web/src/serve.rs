//! One listener, from its first connection to its end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::pin;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::Service;

/// How much a server lets its clients take up.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once; who comes then waits in the listener's queue until one ends.
    pub connections_max: usize,
    /// How long the head of a request may take, the silence before it included. So it is also how
    /// long a connection may be idle; proxies should give theirs up before.
    pub head_within: Duration,
    /// How long the body of a request may take.
    pub body_within: Duration,
    /// How long a request may take in all.
    pub request_within: Duration,
    /// How long requests under way may take once the end has come.
    pub drain_within: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            head_within: Duration::from_secs(30),
            body_within: Duration::from_secs(10),
            request_within: Duration::from_secs(30),
            drain_within: Duration::from_secs(10),
        }
    }
}

/// A connection's place among those that there may be; with the last copy the place is free again.
/// It is in the extensions of every request, so that a connection that goes on as something else,
/// such as a WebSocket, can keep it.
#[derive(Clone, Debug)]
pub struct Place(#[expect(dead_code, reason = "held, not looked at")] Arc<OwnedSemaphorePermit>);

/// How long nothing is accepted after the system has refused to: it is out of files, most likely.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Answers until `shutdown`, then finishes what is under way.
pub(crate) async fn serve(
    name: &str,
    listener: TcpListener,
    app: Router,
    bounds: &Bounds,
    shutdown: &CancellationToken,
) -> io::Result<()> {
    tracing::info!("{name} answers on http://{}", listener.local_addr()?);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(bounds.head_within);
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    let ending = CancellationToken::new();
    let accepting = async {
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (stream, peer) = accept(&listener).await;
            let place = Place(Arc::new(place));
            tokio::spawn(connection(&http, stream, peer, app.clone(), place, ending.clone()));
        }
    };
    shutdown.run_until_cancelled(accepting).await;
    // Nobody is let in any more, and whoever waits in the queue is told so.
    drop(listener);
    ending.cancel();
    let all = u32::try_from(bounds.connections_max).unwrap_or(u32::MAX);
    if timeout(bounds.drain_within, places.acquire_many(all)).await.is_err() {
        tracing::warn!("{name} ends with requests under way");
    }
    tracing::info!("{name} has ended");
    Ok(())
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!("no connection can be accepted: {error}");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// It was over before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn connection(
    http: &http1::Builder,
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    place: Place,
    ending: CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    // Answers are small and whole; waiting to send more at once only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("cannot turn off Nagle's algorithm: {error}");
    }
    let held = place.clone();
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(held.clone());
        // A router is always ready.
        app.clone().call(request.map(Body::new))
    });
    let served = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    async move {
        pin!(served);
        let ended = tokio::select! {
            ended = served.as_mut() => ended,
            () = ending.cancelled() => {
                served.as_mut().graceful_shutdown();
                served.as_mut().await
            }
        };
        if let Err(error) = ended {
            // A client that went away, spoke no HTTP, or was too slow.
            tracing::debug!("a connection ended: {error}");
        }
        drop(place);
    }
}
