//! What is asked of the operating system before anything else, whatever the role. All of it can be
//! refused; the process then works as well as it is let.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// No huge pages, and as many open files as this user may have.
pub(crate) fn prepare() {
    refuse_huge_pages();
    open_more_files();
}

/// The kernel gives and keeps 2 MiB where 4 KiB are used: the log took 400 MiB where it takes 250.
/// The allocator has a switch of its own, but only in the environment. What this process starts
/// (Postgres, NATS) inherits it, and fares no worse.
#[cfg(target_os = "linux")]
fn refuse_huge_pages() {
    let _refused = nix::sys::prctl::set_thp_disable(true);
}

#[cfg(not(target_os = "linux"))]
fn refuse_huge_pages() {}

/// Every connection is a file, and a shell or a service manager allows 1,024 of them until asked for
/// more.
fn open_more_files() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _refused = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
