//! Telling the shop what happened: signed posts that are repeated until they are taken, and that
//! come twice or out of order when that is asked for.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use rand::Rng;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Sandbox;
use crate::faults::Mishap;
use crate::journal::Receipt;
use crate::news::Event;
use crate::render;

/// Posts under way at once.
const POSTS_MAX: usize = 16;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The wait after the first failure; it doubles with each.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How long one event is tried. Stripe does so for three days; here the shop is next door.
const TRY_FOR: Duration = Duration::from_secs(60 * 60);
/// After a restart nobody knows which events had arrived, so those of this time come again.
const AGAIN_SECONDS: i64 = 10 * 60;
/// The longest that an event is held back.
const HOLD_BACK_MS_MAX: u64 = 60_000;

/// Where events are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub url: String,
    /// What posts are signed with, as in `whsec_…`.
    pub secret: String,
}

/// How events are sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manner {
    pub(crate) to: Option<Webhook>,
    /// How many of a hundred events come twice.
    #[serde(default)]
    pub(crate) duplicate_percent: u8,
    /// Each event is held back for up to so long, so that they come in disorder.
    #[serde(default)]
    pub(crate) hold_back_ms: u64,
    /// How many of a hundred events never come, as if every attempt had failed.
    #[serde(default)]
    pub(crate) lose_percent: u8,
}

impl Manner {
    pub(crate) fn to(webhook: Option<Webhook>) -> Self {
        Self { to: webhook, ..Self::default() }
    }

    pub(crate) fn is_possible(&self) -> bool {
        self.hold_back_ms <= HOLD_BACK_MS_MAX
            && self.duplicate_percent <= 100
            && self.lose_percent <= 100
            && self.to.as_ref().is_none_or(|to| reqwest::Url::parse(&to.url).is_ok())
    }
}

/// The events of one change, and when they may be told.
pub(crate) struct Posts {
    pub(crate) events: Vec<Arc<Event>>,
    pub(crate) written: Receipt,
}

/// Sends what comes; never ends.
pub(crate) async fn send_all(sandbox: &Sandbox) {
    let Some(mut waiting) = sandbox.take_posts() else { return std::future::pending().await };
    let mut sender = Sender {
        slots: Arc::new(Semaphore::new(POSTS_MAX)),
        client: None,
        sending: JoinSet::new(),
    };
    let recent = chrono::Utc::now().timestamp() - AGAIN_SECONDS;
    let again: Vec<_> = {
        let state = sandbox.state();
        state.book.events().filter(|event| event.at > recent).cloned().collect()
    };
    for event in again {
        sender.send(sandbox, &event);
    }
    loop {
        tokio::select! {
            Some(posts) = waiting.recv() => {
                // What a crash could still undo is told to nobody.
                if posts.written.wait().await.is_ok() {
                    for event in posts.events {
                        sender.send(sandbox, &event);
                    }
                }
            }
            Some(_sent) = sender.sending.join_next() => {}
        }
    }
}

/// Sends one event again, now: what the button at Stripe does.
pub(crate) async fn resend(sandbox: &Sandbox, event: &Event) -> bool {
    let to = sandbox.manner().to.clone();
    match to {
        Some(to) => post(&Client::new(), &to, event).await,
        None => false,
    }
}

struct Sender {
    slots: Arc<Semaphore>,
    /// Made when there is somewhere to send to.
    client: Option<Client>,
    sending: JoinSet<()>,
}

impl Sender {
    fn send(&mut self, sandbox: &Sandbox, event: &Arc<Event>) {
        let manner = sandbox.manner().clone();
        let Some(to) = manner.to else { return };
        let client = self.client.get_or_insert_default();
        let chance = |percent: u8| rand::rng().random_range(0..100) < percent;
        if chance(manner.lose_percent) {
            sandbox.faults().note(Mishap::Lost);
            return;
        }
        let twice = chance(manner.duplicate_percent);
        if twice {
            sandbox.faults().note(Mishap::Twice);
        }
        if manner.hold_back_ms > 0 {
            sandbox.faults().note(Mishap::HeldBack);
        }
        for _ in 0..=usize::from(twice) {
            let held_back = rand::rng().random_range(0..=manner.hold_back_ms);
            let (client, to) = (client.clone(), to.clone());
            let (event, slots) = (Arc::clone(event), Arc::clone(&self.slots));
            self.sending.spawn(async move {
                tokio::time::sleep(Duration::from_millis(held_back)).await;
                until_taken(&client, &to, &event, &slots).await;
            });
        }
    }
}

async fn until_taken(client: &Client, to: &Webhook, event: &Event, slots: &Semaphore) {
    let (started, mut wait) = (Instant::now(), RETRY_FIRST);
    loop {
        // Never closed.
        let slot = slots.acquire().await;
        if post(client, to, event).await {
            return;
        }
        drop(slot);
        if started.elapsed() > TRY_FOR {
            tracing::warn!(event.id = event.news.id, "nobody takes a webhook; it is given up");
            return;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
    }
}

/// Whether it was taken.
async fn post(client: &Client, to: &Webhook, event: &Event) -> bool {
    let body = render::event(event).to_string();
    let signature = sign(&to.secret, chrono::Utc::now().timestamp(), &body);
    let request = client
        .post(&to.url)
        .header(CONTENT_TYPE, "application/json")
        .header("Stripe-Signature", signature)
        .timeout(ANSWER_WITHIN)
        .body(body);
    let taken = request.send().await.is_ok_and(|answer| answer.status().is_success());
    if taken {
        event.set_delivered();
    }
    taken
}

/// The header `Stripe-Signature`.
fn sign(secret: &str, at: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex::encode(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_hmac_sha256_over_the_time_and_the_body() {
        // By `printf '1.{}' | openssl dgst -sha256 -hmac whsec_test`.
        assert_eq!(
            sign("whsec_test", 1, "{}"),
            "t=1,v1=7500d5d4be4b3ef07af1fe56f7d522d135cdaa7530de557e67cc1049c52de094",
        );
    }
}
