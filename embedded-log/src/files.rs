//! How many files this process may open, and who of us may take how many of them.

use nix::sys::resource::{Resource, getrlimit};

/// With fewer the store cannot work at all.
const SHARE_MIN: usize = 16;

/// One in `parts` of the files that may be open at a time, and never more than `max`.
pub(crate) fn share(parts: usize, max: usize) -> usize {
    // A system that does not tell has no limit.
    let (allowed, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((u64::MAX, u64::MAX));
    let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
    (allowed / parts).max(SHARE_MIN).min(max)
}
