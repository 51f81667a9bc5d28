//! What was acknowledged is there, whatever happens: a kill, a disk that fails, a disk that is full,
//! a crowd at the door; and a backup of a log in use is that log. Every server here is a process of its own.
//!
//! `LOG_CRASH_ROUNDS=200 cargo test -p embedded-log --test durability crash` kills more often than
//! the default run does.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test, which is its use")]
#![allow(clippy::wildcard_enum_match_arm, reason = "every other outcome fails the test alike")]
#![allow(clippy::print_stdout, reason = "a test that cannot run here says why")]

mod child;
mod crash;
mod crowd;
mod faults;
mod memory;
mod operations;
