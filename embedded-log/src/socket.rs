//! Connections, from the port to the protocol. Whoever connects and says nothing, or not enough, is
//! let go after a while; the protocol itself pings those who have begun to speak it.
//!
//! - `prompt` — sends and acknowledges without delay
//! - `greeting` — the time limit for the first bytes of the protocol

mod greeting;
mod prompt;

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::either::Either;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use self::greeting::Connection;
use self::prompt::PromptStream;
use crate::limits::GREETING_SECONDS_MAX;
use crate::tls::Tls;

/// Pause after a failed accept: without file handles left, the next one fails just as fast.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// How long a peer may take for the handshake of TLS, and then for the first bytes of the protocol.
const GREETING: Duration = Duration::from_secs(GREETING_SECONDS_MAX);

/// All connections to the listener, for ever, at most so many at a time; those that are to be by TLS
/// after its handshake.
pub(crate) fn accept(
    listener: TcpListener,
    tls: Option<Tls>,
    connections_max: usize,
) -> impl Stream<Item = Connection> {
    let places = Arc::new(Semaphore::new(connections_max));
    let accepted = stream::unfold((listener, places), move |(listener, places)| async move {
        let next = next(&listener, &places, connections_max).await;
        Some((next, (listener, places)))
    });
    accepted
        // Tasks of their own: handshakes take long, and processor time.
        .map(move |(stream, place)| {
            AbortOnDropHandle::new(tokio::spawn(greet(stream, tls.clone(), place)))
        })
        .buffer_unordered(connections_max)
        .filter_map(async |greeted| greeted.ok().flatten())
}

/// The next connection for which there is a place.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    connections_max: usize,
) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match Arc::clone(places).try_acquire_owned() {
                Ok(place) => return (stream, place),
                Err(_) => tracing::warn!(
                    %peer,
                    "a connection is turned away: there are {connections_max} already"
                ),
            },
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// `None` for a peer that has gone already, or does not manage the handshake in time.
async fn greet(
    stream: TcpStream,
    tls: Option<Tls>,
    place: OwnedSemaphorePermit,
) -> Option<Connection> {
    let stream = PromptStream::new(stream).ok()?;
    let stream = match tls {
        None => Either::Left(stream),
        Some(tls) => {
            let handshake = tls.acceptor.accept(stream);
            Either::Right(tokio::time::timeout(GREETING, handshake).await.ok()?.ok()?)
        }
    };
    Some(Connection::new(stream, GREETING, place))
}
