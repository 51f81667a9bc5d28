#!/usr/bin/env bash
# Builds the shop, the benchmark of read models and the peers, and measures them: bench/read-models.md.
# Arguments go to the benchmark; --help names them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo build --locked --release --package ticketing --package bench --bin ticketing --bin read_models
cargo build --locked --release --manifest-path bench/peers/Cargo.toml --target-dir target/peers
exec target/release/read_models --peers target/peers/release/peers "$@"
