//! What was measured: for each round a number under each key. Rounds are kept in a file, so that
//! those of several runs are reported together.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::Context;

/// Numbers by [`key`].
pub(crate) type Round = BTreeMap<String, f64>;

#[derive(Debug)]
pub(crate) struct Results(Vec<Round>);

/// A number over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// Of whom, under which load of how many clients, what.
pub(crate) fn key(subject: &str, load: &str, clients: u64, what: &str) -> String {
    format!("{subject}/{load}/{clients}/{what}")
}

impl Results {
    /// None when nothing has been measured.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        if !file.exists() {
            return Ok(Self(Vec::new()));
        }
        let text = std::fs::read_to_string(file)?;
        let rounds = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        Ok(Self(rounds.with_context(|| format!("cannot read {}", file.display()))?))
    }

    pub(crate) fn add(file: &Path, round: &Round) -> anyhow::Result<()> {
        let mut line = serde_json::to_string(round)?;
        line.push('\n');
        let mut file = OpenOptions::new().create(true).append(true).open(file)?;
        Ok(file.write_all(line.as_bytes())?)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rounds(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn spread(&self, key: &str) -> Option<Spread> {
        Spread::of(self.0.iter().filter_map(|round| round.get(key).copied()).collect())
    }

    pub(crate) fn median(&self, key: &str) -> Option<f64> {
        self.spread(key).map(|spread| spread.median)
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
