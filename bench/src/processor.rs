//! Processor time, by Linux's own count.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

/// What this process has used, to a hundredth of a second.
///
/// # Errors
/// When `/proc` is not as Linux has it.
pub fn own_cpu() -> anyhow::Result<Duration> {
    cpu(Path::new("/proc/self/stat"))
}

/// What the process of a `/proc/<pid>/stat` has used, to a hundredth of a second.
///
/// # Errors
/// When it has ended, or `/proc` is not as Linux has it.
pub fn cpu(stat: &Path) -> anyhow::Result<Duration> {
    const USER_FIELD: usize = 11;
    /// Linux counts in this unit on every platform we know.
    const TICK_MILLIS: u64 = 10;
    let stat = std::fs::read_to_string(stat)?;
    // The name of the program, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(')').context("an unknown form of /proc")?;
    let ticks = rest.split_whitespace().skip(USER_FIELD).take(2);
    let ticks: u64 = ticks.map(|ticks| Ok(ticks.parse::<u64>()?)).sum::<anyhow::Result<_>>()?;
    Ok(Duration::from_millis(ticks * TICK_MILLIS))
}
