//! Waiting for an aggregate to come to a state.

use std::time::Duration;

use domain::Aggregate;
use tokio::time::Instant;

use crate::codec::{Stored, decode_event};
use crate::connection::{Connection, FeedEvent, retry_backoff};
use crate::execute::stream_of;
use crate::{Loaded, LogError};

/// Follows a stream on from `loaded` until `done` or until `deadline`. A log that goes away
/// meanwhile is waited for.
pub(crate) async fn wait_until<A: Aggregate>(
    connection: &Connection,
    id: &A::Id,
    mut loaded: Loaded<A>,
    within: Duration,
    done: impl Fn(&A) -> bool + Send,
) -> Result<Loaded<A>, LogError> {
    let deadline = Instant::now() + within;
    let stream = stream_of::<A>(id);
    let mut backoff = retry_backoff();
    while !done(&loaded.state) {
        let following = follow(connection, &stream, &mut loaded, &done);
        match tokio::time::timeout_at(deadline, following).await {
            Ok(Err(error)) if error.is_unavailable() => {}
            Ok(Err(error)) => return Err(error),
            Ok(Ok(())) | Err(_) => break,
        }
        if tokio::time::timeout_at(deadline, backoff.wait()).await.is_err() {
            break;
        }
    }
    Ok(loaded)
}

async fn follow<A: Aggregate>(
    connection: &Connection,
    stream: &str,
    loaded: &mut Loaded<A>,
    done: &(impl Fn(&A) -> bool + Send),
) -> Result<(), LogError> {
    let mut feed = connection.subscribe_to_stream(stream, loaded.revision).await?;
    while !done(&loaded.state) {
        match connection.next(&mut feed).await? {
            FeedEvent::Event(stored) => absorb(loaded, &stored)?,
            FeedEvent::Checkpoint(_) | FeedEvent::CaughtUp => {}
        }
    }
    Ok(())
}

/// Takes the next event into the state.
pub(crate) fn absorb<A: Aggregate>(
    loaded: &mut Loaded<A>,
    stored: &Stored,
) -> Result<(), LogError> {
    if !stored.is_of_the_log() {
        let event = decode_event::<A::Event>(stored)?;
        loaded.state = std::mem::take(&mut loaded.state).evolve(&event);
    }
    loaded.revision = Some(stored.revision);
    loaded.position = Some(stored.position);
    Ok(())
}
