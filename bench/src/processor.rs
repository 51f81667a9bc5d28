//! Processor time, by Linux's own count.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

/// What this process has used, to a hundredth of a second.
///
/// # Errors
/// When `/proc` is not as Linux has it.
pub fn own_cpu() -> anyhow::Result<Duration> {
    cpu(Path::new("/proc/self/stat"))
}

/// What a process and its children have used, as far as they are still there.
///
/// # Errors
/// When it has ended, or `/proc` is not as Linux has it.
pub fn cpu_with_children(pid: u32) -> anyhow::Result<Duration> {
    let of = |pid: &str, file: &str| PathBuf::from(format!("/proc/{pid}/{file}"));
    let parent = pid.to_string();
    let mut used = cpu(&of(&parent, "stat"))?;
    // Each thread of the parent has its own list.
    for thread in std::fs::read_dir(of(&parent, "task"))? {
        let children = std::fs::read_to_string(thread?.path().join("children"))?;
        // One may end meanwhile.
        used += children
            .split_whitespace()
            .filter_map(|child| cpu(&of(child, "stat")).ok())
            .sum::<Duration>();
    }
    Ok(used)
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
