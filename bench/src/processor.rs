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

/// What a process and all that it has started have used, whether those still run or not, to some
/// hundredths of a second.
///
/// # Errors
/// As of [`own_cpu`].
pub fn cpu_with_children(pid: u32) -> anyhow::Result<Duration> {
    let mut used = Stat::read(Path::new(&format!("/proc/{pid}/stat")))?.with_ended_children();
    for entry in std::fs::read_dir("/proc")? {
        // A process may end at any moment; then it is counted among those that have ended.
        let Ok(stat) = Stat::read(&entry?.path().join("stat")) else { continue };
        if stat.parent == pid {
            used += stat.own();
        }
    }
    Ok(used)
}

/// What the process of a `/proc/<pid>/stat` has used, to a hundredth of a second.
///
/// # Errors
/// When it has ended, or `/proc` is not as Linux has it.
pub fn cpu(stat: &Path) -> anyhow::Result<Duration> {
    Ok(Stat::read(stat)?.own())
}

/// What is read of a `/proc/<pid>/stat`: user and system time, its own and of children that ended.
struct Stat {
    parent: u32,
    times: [u64; 4],
}

impl Stat {
    fn read(stat: &Path) -> anyhow::Result<Self> {
        const PARENT_FIELD: usize = 1;
        const TIMES_FIELD: usize = 11;
        let stat = std::fs::read_to_string(stat)?;
        // The name of the program, in parentheses, may hold anything.
        let (_, rest) = stat.rsplit_once(')').context("an unknown form of /proc")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |at: usize| fields.get(at).context("an unknown form of /proc");
        let mut times = [0; 4];
        for (time, at) in times.iter_mut().zip(TIMES_FIELD..) {
            *time = field(at)?.parse()?;
        }
        Ok(Self { parent: field(PARENT_FIELD)?.parse()?, times })
    }

    fn own(&self) -> Duration {
        ticks(self.times[0] + self.times[1])
    }

    fn with_ended_children(&self) -> Duration {
        ticks(self.times.iter().sum())
    }
}

fn ticks(ticks: u64) -> Duration {
    /// Linux counts in this unit on every platform we know.
    const TICK_MILLIS: u64 = 10;
    Duration::from_millis(ticks * TICK_MILLIS)
}
