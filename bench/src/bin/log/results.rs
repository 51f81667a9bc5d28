//! What was measured: for each store, for each round, a number for each metric.

use std::collections::BTreeMap;

use crate::load::Call;

/// What is measured, and in what unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    SyncsPerSecond,
    SyncP50Millis,
    AppendsPerSecond(Call, usize),
    /// The rate of appends by that of syncs, of the same round.
    AppendsPerSync(Call, usize),
    /// The rate of appends by that of the store alone, with as many in flight, of the same round.
    ShareOfStore(Call, usize),
    AppendP50Millis(Call, usize),
    AppendP99Millis(Call, usize),
    /// Processor time of the server, and of the client, for one append.
    ServerMicros(Call, usize),
    ClientMicros(Call, usize),
    CatchUpEventsPerSecond,
    CatchUpServerMicros,
    CatchUpClientMicros,
    /// From sending an append until a live subscriber has the event.
    DeliveryP50Millis,
    DeliveryP99Millis,
    /// How much later than the acknowledgement, median to median.
    DeliveryOverAppendMillis,
    /// With a crowd of subscribers: events they get, and appends meanwhile.
    CrowdEventsPerSecond,
    CrowdAppendsPerSecond,
    MemoryPeakMib,
    BytesPerEvent,
    StartMillis,
    StartAfterKillMillis,
}

/// One round on one store.
pub(crate) type Round = BTreeMap<Metric, f64>;

/// All rounds, by the events in the store.
#[derive(Debug, Default)]
pub(crate) struct Results(BTreeMap<u64, Vec<Round>>);

/// A number over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Results {
    pub(crate) fn add(&mut self, size: u64, round: Round) {
        self.0.entry(size).or_default().push(round);
    }

    /// The stores measured, in events, from the smallest on.
    pub(crate) fn sizes(&self) -> Vec<u64> {
        self.0.keys().copied().collect()
    }

    pub(crate) fn spread(&self, size: u64, metric: Metric) -> Option<Spread> {
        let rounds = self.0.get(&size)?;
        Spread::of(rounds.iter().filter_map(|round| round.get(&metric).copied()).collect())
    }

    pub(crate) fn median(&self, size: u64, metric: Metric) -> Option<f64> {
        self.spread(size, metric).map(|spread| spread.median)
    }
}

impl Spread {
    /// None of no values.
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { median, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_tells_the_middle_and_the_ends() {
        let spread = |values: &[f64]| Spread::of(values.to_vec());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(spread(&[4.0, 2.0]), Some(Spread { median: 3.0, min: 2.0, max: 4.0 }));
    }
}
