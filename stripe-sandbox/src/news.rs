//! What changes of a payment are told as: Stripe's events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::intent::dispute::DisputeState;
use crate::intent::refund::RefundState;
use crate::intent::{Intent, Status, new_id};

/// One event, as it is stored with the change that it tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct News {
    pub(crate) id: String,
    /// Stripe's name, such as `payment_intent.succeeded`.
    pub(crate) kind: String,
    pub(crate) about: About,
}

/// What an event shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum About {
    Intent,
    Charge(String),
    Refund(String),
    Dispute(String),
}

/// An event, with the payment as it was then.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) news: News,
    pub(crate) at: i64,
    pub(crate) intent: Arc<Intent>,
    delivered: AtomicBool,
}

impl Event {
    pub(crate) fn new(news: News, at: i64, intent: Arc<Intent>) -> Self {
        Self { news, at, intent, delivered: AtomicBool::new(false) }
    }

    pub(crate) fn set_delivered(&self) {
        self.delivered.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_delivered(&self) -> bool {
        self.delivered.load(Ordering::Relaxed)
    }
}

/// What is to be told of a change from `before` to `after`.
pub(crate) fn of(before: Option<&Intent>, after: &Intent) -> Vec<News> {
    let mut all = Vec::new();
    let mut tell = |kind: &str, about: About| {
        all.push(News { id: new_id("evt"), kind: kind.to_owned(), about });
    };
    if before.is_none() {
        tell("payment_intent.created", About::Intent);
    }
    let attempts = before.map_or(0, |before| before.attempts.len());
    for attempt in after.attempts.iter().skip(attempts) {
        let failed = attempt.error.is_some();
        let kind = if failed { "charge.failed" } else { "charge.succeeded" };
        tell(kind, About::Charge(attempt.id.clone()));
    }
    if before.is_none_or(|before| before.status != after.status) {
        match after.status {
            Status::RequiresAction => tell("payment_intent.requires_action", About::Intent),
            Status::Processing => tell("payment_intent.processing", About::Intent),
            Status::Succeeded => tell("payment_intent.succeeded", About::Intent),
            Status::Canceled => tell("payment_intent.canceled", About::Intent),
            Status::RequiresPaymentMethod | Status::RequiresConfirmation => {}
        }
    }
    let failed = after.last_error.is_some()
        && before.is_none_or(|before| {
            before.last_error != after.last_error || before.attempts.len() < after.attempts.len()
        });
    if failed {
        tell("payment_intent.payment_failed", About::Intent);
    }
    tell_refunds(before, after, &mut tell);
    tell_disputes(before, after, &mut tell);
    all
}

fn tell_refunds(before: Option<&Intent>, after: &Intent, tell: &mut impl FnMut(&str, About)) {
    for (number, refund) in after.refunds.iter().enumerate() {
        let about = || About::Refund(refund.id.clone());
        let Some(earlier) = before.and_then(|before| before.refunds.get(number)) else {
            tell("refund.created", about());
            let charge = after.charge.clone().unwrap_or_default();
            tell("charge.refunded", About::Charge(charge));
            continue;
        };
        if earlier.state == refund.state {
            continue;
        }
        tell("refund.updated", about());
        tell("charge.refund.updated", about());
        if refund.state == RefundState::Failed {
            tell("refund.failed", about());
        }
    }
}

fn tell_disputes(before: Option<&Intent>, after: &Intent, tell: &mut impl FnMut(&str, About)) {
    for (number, dispute) in after.disputes.iter().enumerate() {
        let about = || About::Dispute(dispute.id.clone());
        let earlier = before.and_then(|before| before.disputes.get(number));
        if earlier.is_none() {
            tell("charge.dispute.created", about());
            tell("charge.dispute.funds_withdrawn", about());
        }
        if earlier.is_some_and(|earlier| earlier.state == dispute.state) {
            continue;
        }
        match dispute.state {
            DisputeState::NeedsResponse => {}
            DisputeState::Won => {
                tell("charge.dispute.closed", about());
                tell("charge.dispute.funds_reinstated", about());
            }
            DisputeState::Lost => tell("charge.dispute.closed", about()),
        }
    }
}
