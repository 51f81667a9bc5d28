//! What the disk itself can do: one block written and synced, again and again.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::rate::Rate;

const BLOCK_BYTES: usize = 4096;
/// Blocks are overwritten in a file of this length, so that the file system has nothing to allocate.
const FILE_BLOCKS: u64 = 1024;

/// Overwrites and syncs blocks of 4 KiB for so long. Blocks on the disk.
///
/// # Errors
/// Of the disk.
pub fn sync_rate(folder: &Path, time: Duration) -> std::io::Result<Rate> {
    let path = folder.join("sync-probe");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    let block = [0x5a; BLOCK_BYTES];
    for number in 0..FILE_BLOCKS {
        file.write_all_at(&block, number * BLOCK_BYTES as u64)?;
    }
    file.sync_all()?;
    let begun = Instant::now();
    let mut times = Vec::new();
    while begun.elapsed() < time {
        let number = times.len() as u64 % FILE_BLOCKS;
        let one = Instant::now();
        file.write_all_at(&block, number * BLOCK_BYTES as u64)?;
        file.sync_data()?;
        times.push(one.elapsed());
    }
    let rate = Rate::of(times, begun.elapsed());
    std::fs::remove_file(path)?;
    Ok(rate)
}
