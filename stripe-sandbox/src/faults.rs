//! Trouble on demand: what a real provider and a real network do now and then.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::operation::Verb;

/// Faults that wait at most; more are refused.
const FAULTS_MAX: usize = 64;
/// The longest injected delay.
pub(crate) const SLOW_MS_MAX: u64 = 120_000;

/// A fault for the next calls.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// How many calls it hits.
    next: u32,
    /// Which calls it hits; all when absent.
    #[serde(default)]
    on: Option<Verb>,
    kind: Kind,
    /// The delay of `slow_ms`.
    #[serde(default)]
    ms: u64,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
enum Kind {
    /// The call works, and its answer never arrives.
    #[serde(rename = "lost_answer")]
    LostAnswer,
    /// 500 before anything was done; the key stays free.
    #[serde(rename = "error_500")]
    Error500,
    /// 500 although it was done, and the key answers 500 from then on.
    #[serde(rename = "error_500_after")]
    Error500After,
    #[serde(rename = "rate_limit")]
    RateLimit,
    #[serde(rename = "slow_ms")]
    SlowMs,
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
pub(crate) struct Faults(VecDeque<Fault>);

impl Faults {
    /// Adds a fault behind those that wait; false when it cannot be.
    pub(crate) fn add(&mut self, fault: Fault) -> bool {
        let fits = self.0.len() < FAULTS_MAX && fault.next > 0 && fault.ms <= SLOW_MS_MAX;
        if fits {
            self.0.push_back(fault);
        }
        fits
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What is to happen to this call: the first waiting fault that is meant for it.
    pub(crate) fn take(&mut self, verb: Verb) -> Option<Trouble> {
        let place = self.0.iter().position(|fault| fault.on.is_none_or(|on| on == verb))?;
        let fault = self.0.get_mut(place)?;
        fault.next -= 1;
        let trouble = match fault.kind {
            Kind::LostAnswer => Trouble::LostAnswer,
            Kind::Error500 => Trouble::Error500,
            Kind::Error500After => Trouble::Error500After,
            Kind::RateLimit => Trouble::RateLimit,
            Kind::SlowMs => Trouble::Slow(Duration::from_millis(fault.ms)),
        };
        if fault.next == 0 {
            self.0.remove(place);
        }
        Some(trouble)
    }
}
