//! How far a follower is behind, for whoever watches: looked at every few seconds, so that it is
//! also told of a follower that stands still.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use domain::Position;
use tokio::task::JoinHandle;

use crate::EventLog;

const LOOK_EVERY: Duration = Duration::from_secs(10);
/// No more events than this are counted: whoever is further behind needs the log for himself.
const EVENTS_MAX: u64 = 10_000;

/// Publishes `follower_lag_events` and `follower_lag_seconds` until it is dropped.
pub(super) struct Lag {
    /// None until the follower has said where it is: one that stands by is not behind.
    at: Arc<Mutex<Option<Option<Position>>>>,
    watching: JoinHandle<()>,
}

impl Lag {
    pub(super) fn watch(log: &EventLog, follower: &str) -> Self {
        let at = Arc::default();
        let watching = watch(log.clone(), follower.to_owned(), Arc::clone(&at));
        Self { at, watching: tokio::spawn(watching) }
    }

    pub(super) fn is_at(&self, position: Option<Position>) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Some(position);
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

async fn watch(log: EventLog, follower: String, at: Arc<Mutex<Option<Option<Position>>>>) {
    let events = metrics::gauge!("follower_lag_events", "follower" => follower.clone());
    let seconds = metrics::gauge!("follower_lag_seconds", "follower" => follower);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(after) = *at.lock().unwrap_or_else(PoisonError::into_inner) else { continue };
        // With the log away nobody can tell; what was seen last stays.
        let Ok(Some(end)) = log.head().await else { continue };
        let Ok(between) = log.between(after, end, EVENTS_MAX).await else { continue };
        let waited =
            between.oldest.map(|oldest| (Utc::now() - oldest).to_std().unwrap_or_default());
        events.set(between.events as f64);
        seconds.set(waited.unwrap_or_default().as_secs_f64());
    }
}
