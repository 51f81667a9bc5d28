#!/usr/bin/env bash
# Builds the shop and the benchmark of queries, installs the peer, and measures: bench/queries.md.
# Arguments go to the benchmark; --help names them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo build --locked --release --package ticketing --package bench --bin ticketing --bin queries
peer=target/bench-queries/postgraphile
if [ ! -d "$peer/node_modules/postgraphile-plugin-connection-filter" ]; then
	npm install --silent --no-fund --no-audit --prefix "$peer" \
		postgraphile@4.14.1 postgraphile-plugin-connection-filter@2.3.0
fi
exec target/release/queries --postgraphile "$peer/node_modules/.bin/postgraphile" "$@"
