# Sonder: `make demo` to see it, `make test` to trust it. Everything they need, they install, and say so.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Build output and downloads live outside the work tree, so that they outlast it.
CACHE ?= $(HOME)/.cache/sonder
export CARGO_TARGET_DIR ?= $(CACHE)/target
DUCKDB_VERSION := 1.5.5-r.5
DUCKDB_PLATFORM := $(shell uname -s | tr A-Z a-z)-$(shell uname -m | sed -e s/x86_64/x64/ -e s/aarch64/arm64/)
export DUCKDB_LIB_DIR ?= $(CACHE)/duckdb/$(DUCKDB_VERSION)
BIN := $(CARGO_TARGET_DIR)/debug/sonder
export SONDER_BIN := $(BIN)
export SONDER_CACHE := $(CACHE)

.PHONY: help
help: ## What there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: build ## The shop example on real input, live: events become people, segments, deliveries
	@examples/shop/demo/run.sh

.PHONY: test
test: lint ## Everything: lint, unit, property, differential, end to end with real SDKs
	@tests/sdk/setup.sh
	@tests/editor/setup.sh
	@engine/sonder/docs/build.sh --install
	@plugins/check-template.sh --componentize-js >/dev/null
	@echo "make: running all tests"
	cargo test --workspace --no-fail-fast
	@$(MAKE) examples
	@tests/api/run.sh
	@plugins/check-dist.sh
	@plugins/check-template.sh

.PHONY: build
build: duckdb ## The binary
	cargo build --bin sonder

.PHONY: bin
bin: ## Prints the binary's path (use `make -s bin`)
	@echo $(BIN)

.PHONY: lint
lint: duckdb ## Formatting, clippy, documentation, licences, and the purity of dsl and core
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc -q --no-deps --workspace
	@tests/lint/purity.sh
	@tests/lint/deny.sh

.PHONY: audit
audit: ## Known vulnerabilities of dependencies (needs the advisory database, so not part of `make test`)
	@tests/lint/deny.sh
	$(CACHE)/tools/bin/cargo-deny check advisories

.PHONY: examples
examples: build ## Checks every example project, who enters and leaves its segments when, and its scenarios
	@tests/examples/run.sh

.PHONY: plugins
plugins: ## Builds the bundled plugins into plugins/dist (installs a wasm toolchain where there is none)
	@plugins/build.sh

.PHONY: docs
docs: build ## The manual as a site: tutorial, how-to guides, references made of the code (says where it is)
	@engine/sonder/docs/build.sh "$(CACHE)/manual"

.PHONY: vscode
vscode: ## Builds the extension for Visual Studio Code, and says where the .vsix is
	@dsl/editors/vscode/build.sh

.PHONY: bench
bench: duckdb ## The figures, as ratios against a baseline of the same run (builds with --release)
	@tests/bench/run.sh

.PHONY: bench-identity
bench-identity: duckdb ## Probabilistic matching beside Splink, on the FEBRL data sets (builds with --release)
	cargo build --release --bin sonder
	@SONDER_BIN=$(CARGO_TARGET_DIR)/release/sonder tests/bench/identity.py
	cargo bench -q -p sonder-matching --bench hard

.PHONY: duckdb
duckdb: $(DUCKDB_LIB_DIR)/.ready

# The prebuilt library that DuckDB's own npm package carries: compiling DuckDB would take an hour.
$(CACHE)/duckdb/$(DUCKDB_VERSION)/.ready:
	@engine/store/fetch-duckdb.sh "$(DUCKDB_VERSION)" "$(DUCKDB_PLATFORM)" "$(@D)"

.PHONY: clean
clean: ## Removes build output and downloads
	rm -rf "$(CACHE)"
