//! What a measurement comes to.

use std::time::Duration;

/// How often something happened, and how long each took.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
}

impl Rate {
    /// From the time that each took, and the time in which all were done.
    #[must_use]
    pub fn of(mut times: Vec<Duration>, within: Duration) -> Self {
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len() * percent / 100).copied();
        Self {
            per_second: times.len() as f64 / within.as_secs_f64(),
            p50: at(50).unwrap_or_default(),
            p99: at(99).unwrap_or_default(),
        }
    }
}
