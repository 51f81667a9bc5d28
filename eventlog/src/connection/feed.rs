//! Subscriptions, without the client crate's own resumption: that forgets checkpoints and may lose
//! events.

use std::fmt;
use std::sync::Arc;

use domain::{Position, Revision};
use eventstore::{
    StreamPosition, SubscribeToAllOptions, SubscribeToStreamOptions, Subscription,
    SubscriptionEvent, SubscriptionFilter,
};

use crate::LogError;
use crate::codec::{CATEGORIES, Stored};
use crate::connection::read::stored;
use crate::connection::{Connection, Failure, Link, ours, theirs};

/// After so many events of others the log says how far it has looked.
const CHECKPOINT_EVERY_EVENTS: u32 = 1_000;

/// An open subscription. It ends with its first error.
pub(crate) struct Feed {
    link: Arc<Link>,
    subscription: Subscription,
    confirmed: bool,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

/// What comes out of one.
#[derive(Debug)]
pub(crate) enum FeedEvent {
    Event(Stored),
    Checkpoint(Position),
    CaughtUp,
}

impl Connection {
    /// Everything in our streams after a position; none: from the beginning.
    pub(crate) async fn subscribe_to_all(&self, after: Option<Position>) -> Result<Feed, LogError> {
        let link = self.link().await?;
        let start = match after {
            None => StreamPosition::Start,
            Some(position) => StreamPosition::Position(theirs(position)),
        };
        let options = SubscribeToAllOptions::default().position(start).filter(our_streams());
        let subscription = link.client.subscribe_to_all(&options).await;
        Ok(Feed { link, subscription, confirmed: false })
    }

    /// Everything in a stream after a revision; none: from its beginning.
    pub(crate) async fn subscribe_to_stream(
        &self,
        stream: &str,
        after: Option<Revision>,
    ) -> Result<Feed, LogError> {
        let link = self.link().await?;
        let start = match after {
            None => StreamPosition::Start,
            Some(Revision(revision)) => StreamPosition::Position(revision),
        };
        let options = SubscribeToStreamOptions::default().start_from(start);
        let subscription = link.client.subscribe_to_stream(stream, &options).await;
        Ok(Feed { link, subscription, confirmed: false })
    }

    /// Waits for what comes next. Only the confirmation has a deadline: after it, silence is normal,
    /// and the transport's keep-alive, or another call, notices when nobody is there any more.
    pub(crate) async fn next(&self, feed: &mut Feed) -> Result<FeedEvent, LogError> {
        loop {
            let next = feed.subscription.next_subscription_event();
            let next = async {
                if feed.confirmed {
                    next.await.map_err(Failure::from)
                } else {
                    // Only the first time, so the others need not make room for it.
                    Box::pin(feed.link.answered(next)).await
                }
            };
            let next = tokio::select! {
                biased;
                next = next => next,
                () = feed.link.discarded.cancelled() => {
                    Err(Failure::Unclear("the connection was given up".to_owned()))
                }
            };
            let event = next.map_err(|failure| self.failed(&feed.link, failure))?;
            feed.confirmed = true;
            match event {
                SubscriptionEvent::EventAppeared(resolved) => {
                    if let Some(event) = resolved.event {
                        return Ok(FeedEvent::Event(stored(event)));
                    }
                }
                SubscriptionEvent::Checkpoint(position) => {
                    return Ok(FeedEvent::Checkpoint(ours(position)));
                }
                SubscriptionEvent::CaughtUp(_) => return Ok(FeedEvent::CaughtUp),
                SubscriptionEvent::Confirmed(_)
                | SubscriptionEvent::FirstStreamPosition(_)
                | SubscriptionEvent::LastStreamPosition(_)
                | SubscriptionEvent::LastAllPosition(_)
                | SubscriptionEvent::FellBehind(_) => {}
            }
        }
    }
}

/// Passes the streams of our categories.
pub(crate) fn our_streams() -> SubscriptionFilter {
    let filter = SubscriptionFilter::on_stream_name().max(CHECKPOINT_EVERY_EVENTS);
    CATEGORIES.iter().fold(filter, |filter, category| filter.add_prefix(format!("{category}-")))
}
