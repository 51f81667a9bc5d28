# Start with `make up`. Plain make: it works with the 3.81 of macOS too.

.DEFAULT_GOAL := help
# rustup's folder, for shells that were open when it was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin

TARGET := $(or $(CARGO_TARGET_DIR),target)/debug
CARGO_TEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo nextest run || echo test)

.PHONY: help
help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: up
up: ## Build and run the whole system here; ARGS="--help" for its options
	@bin/setup up
	@echo "setup: building; the first time takes some minutes"
	@cargo build --locked --package ticketing
	@$(TARGET)/ticketing up $(ARGS)

.PHONY: demo
demo: ## Sell tickets to a crowd on a running `make up`; ARGS="--buyers 50"
	@cargo build --locked --quiet --package ticketing
	@$(TARGET)/ticketing demo $(ARGS)

# One Postgres serves all tests: with-test-services starts it, names it to them and ends it.
.PHONY: test
test: ## Everything that CI checks: format, lints, licences, all tests
	@bin/setup test
	@$(MAKE) --no-print-directory check
	cargo $(CARGO_TEST) --locked --workspace --no-run
	$(TARGET)/with-test-services cargo $(CARGO_TEST) --locked --workspace

.PHONY: nightly
nightly: ## Long tests: 200 kills of the event log, more random histories, ten minutes of storm, relays
	LOG_CRASH_ROUNDS=200 LOG_MODEL_CASES=1000 LOG_FUZZ_CALLS=20000 \
		cargo $(CARGO_TEST) --locked --package embedded-log --test durability --test model --test fuzz
	STORM_SECONDS=600 cargo $(CARGO_TEST) --locked --package ticketing --test it storm
	RELAY_STORM_EVENTS=300000 cargo $(CARGO_TEST) --locked --package ticketing --test it relay_storm
	RELAY_OUTAGE_SECONDS=180 cargo $(CARGO_TEST) --locked --package relay --test it nats_away
	cargo $(CARGO_TEST) --locked --package eventlog --features mutants --test it mutants

.PHONY: check
check: ## Format, lints and, where cargo-deny is installed, licences and crate doors
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	@if cargo deny --version >/dev/null 2>&1; then \
		echo "cargo deny check bans licenses sources"; \
		cargo deny --log-level error check bans licenses sources; \
	else \
		echo "cargo-deny is not installed, so licences and crate doors go unchecked"; \
	fi

.PHONY: clean-data
clean-data: ## Remove what `make up` has stored (.ticketing/)
	@bin/clean-data
