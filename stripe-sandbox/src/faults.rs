//! Trouble on demand: what a real provider and a real network do now and then.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::operation::Verb;

/// Faults that wait at most; more are refused.
const FAULTS_MAX: usize = 64;
/// The longest injected delay.
const SLOW_MS_MAX: u64 = 120_000;

/// A fault for the next calls, or for some of all.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// How many calls it hits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<u32>,
    /// Or, how many of a hundred calls it hits, until it is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    /// Which calls it hits; all when absent.
    #[serde(default)]
    on: Option<Verb>,
    kind: Kind,
    /// The delay of `slow_ms`.
    #[serde(default)]
    ms: u64,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The call works, and its answer never arrives.
    LostAnswer,
    /// 500 before anything was done; the key stays free.
    #[serde(rename = "error_500")]
    Error500,
    /// 500 although it was done, and the key answers 500 from then on.
    #[serde(rename = "error_500_after")]
    Error500After,
    RateLimit,
    SlowMs,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::LostAnswer => "lost_answer",
            Self::Error500 => "error_500",
            Self::Error500After => "error_500_after",
            Self::RateLimit => "rate_limit",
            Self::SlowMs => "slow_ms",
        }
    }
}

/// What befalls one webhook.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mishap {
    Lost,
    Twice,
    /// So that it comes in disorder.
    HeldBack,
}

impl Mishap {
    fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "webhook_lost",
            Self::Twice => "webhook_twice",
            Self::HeldBack => "webhook_held_back",
        }
    }
}

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    LostAnswer,
    Error500,
    Error500After,
    RateLimit,
    Slow(Duration),
}

#[derive(Default)]
pub(crate) struct Faults {
    waiting: VecDeque<Fault>,
    hit: BTreeMap<&'static str, u64>,
}

/// What waits, and how many calls and webhooks were hit since the start.
#[derive(Serialize)]
pub(crate) struct Report {
    waiting: Vec<Fault>,
    hit: BTreeMap<&'static str, u64>,
}

impl Faults {
    /// Adds a fault behind those that wait; false when it cannot be.
    pub(crate) fn add(&mut self, fault: Fault) -> bool {
        let often = match (fault.next, fault.percent) {
            (Some(next), None) => next > 0,
            (None, Some(percent)) => (1..=100).contains(&percent),
            (Some(_), Some(_)) | (None, None) => false,
        };
        let fits = self.waiting.len() < FAULTS_MAX && often && fault.ms <= SLOW_MS_MAX;
        if fits {
            self.waiting.push_back(fault);
        }
        fits
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    pub(crate) fn report(&self) -> Report {
        Report { waiting: self.waiting.iter().cloned().collect(), hit: self.hit.clone() }
    }

    /// Counts what befalls a webhook.
    pub(crate) fn note(&mut self, mishap: Mishap) {
        *self.hit.entry(mishap.as_str()).or_default() += 1;
    }

    /// What is to happen to this call: the first waiting fault that is meant for it.
    pub(crate) fn take(&mut self, verb: Verb) -> Option<Trouble> {
        let hits = |fault: &Fault| {
            fault.on.is_none_or(|on| on == verb)
                && fault.percent.is_none_or(|percent| rand::rng().random_range(0..100) < percent)
        };
        let place = self.waiting.iter().position(hits)?;
        let fault = self.waiting.get_mut(place)?;
        let trouble = match fault.kind {
            Kind::LostAnswer => Trouble::LostAnswer,
            Kind::Error500 => Trouble::Error500,
            Kind::Error500After => Trouble::Error500After,
            Kind::RateLimit => Trouble::RateLimit,
            Kind::SlowMs => Trouble::Slow(Duration::from_millis(fault.ms)),
        };
        *self.hit.entry(fault.kind.as_str()).or_default() += 1;
        if let Some(next) = &mut fault.next {
            *next -= 1;
            if *next == 0 {
                self.waiting.remove(place);
            }
        }
        Some(trouble)
    }
}
