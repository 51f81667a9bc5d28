//! What one turn of a publisher comes to.

use std::time::Duration;

use bench::figures::short;

use crate::place::Used;

pub(crate) struct Turn {
    pub(crate) messages: u64,
    pub(crate) took: Duration,
    /// Processor time of whoever published.
    pub(crate) publisher: Duration,
    /// And of the servers.
    pub(crate) others: Used,
}

impl Turn {
    /// Messages a second.
    pub(crate) fn rate(&self) -> f64 {
        self.messages as f64 / self.took.as_secs_f64()
    }

    /// Columns of a table: µs of processor time for a message.
    pub(crate) fn processor(&self) -> String {
        let Used { log, nats, postgres } = self.others;
        let times = [self.publisher, log, nats, postgres];
        let micros = times.map(|time| short(time.as_secs_f64() * 1e6 / self.messages as f64));
        micros.join(" | ")
    }
}
