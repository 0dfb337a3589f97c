# `make run` and `make test` are complete: each installs what is missing first. `make help` lists the rest.

SHELL := /bin/bash

# rustup puts cargo here; a shell that was open at the time doesn't know it yet.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
BIN_DIR := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin
# The programs for the compatibility tests, which read this.
export FREEHOLD_COMPAT_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/freehold/compat

# One profile and the whole workspace for everything, so that dependencies compile once: with `-p` they would be
# compiled again, with other features.
CARGO_FLAGS := --release --locked --workspace
FREEHOLD := $(or $(CARGO_TARGET_DIR),target)/release/freehold
BENCH := $(or $(CARGO_TARGET_DIR),target)/release/examples/bench
FUZZ_SECONDS ?= 30
# Kills in the short form of the crash test; `make crash` has the long one.
CRASHES ?= 10
CALENDAR_KILLS ?= 8
# Simulated worlds of 50 days each.
WORLDS ?= 200
# Where `model pull` puts the default model; tests that need it skip, and say so, when it isn't there.
TEST_MODEL := $(or $(XDG_DATA_HOME),$(HOME)/.local/share)/freehold/models/smollm2-135m-instruct/model.gguf

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: install ## install what is missing, build, fetch the default model, start the node
	$(FREEHOLD) model pull
	@exec $(FREEHOLD) up

# Next to cargo, where rustup has put the PATH already: `freehold` works in every shell.
.PHONY: install
install: build ## put the programs next to cargo, so that every shell finds them
	@install -m 755 $(FREEHOLD) $(FREEHOLD)-sandbox $(BIN_DIR) && echo "Installed $(BIN_DIR)/freehold"

.PHONY: test
test: setup ## run all tests, those with the real model and with other people's clients too
	@scripts/compat-setup --install || true
	cargo test $(CARGO_FLAGS) --no-run
	@$(FREEHOLD) model pull || echo "The default model can't be had: the tests that need it will be SKIPPED." >&2
	FREEHOLD_CRASHES=$(CRASHES) FREEHOLD_CALENDAR_KILLS=$(CALENDAR_KILLS) FREEHOLD_SIM_WORLDS=$(WORLDS) FREEHOLD_TEST_MODEL=$(TEST_MODEL) cargo test $(CARGO_FLAGS) --no-fail-fast

.PHONY: crash
crash: build ## kill two nodes 300 times in the middle of payments, a calendar 50 times; nothing may be lost
	$(FREEHOLD) model pull
	FREEHOLD_CRASHES=200 FREEHOLD_TEST_MODEL=$(TEST_MODEL) cargo test $(CARGO_FLAGS) --test e2e crash:: -- --nocapture
	FREEHOLD_CALENDAR_KILLS=50 cargo test $(CARGO_FLAGS) --test e2e calendar::kills:: -- --nocapture

.PHONY: simulate
simulate: ## let buyers and sellers live for 10,000 days in which everything goes wrong; nothing may be lost
	FREEHOLD_SIM_WORLDS=$(WORLDS) cargo test $(CARGO_FLAGS) --lib simulation:: -- --nocapture

.PHONY: bench
bench: bench-build ## measure paid and unpaid latency, tokens a second, selling, Lightning, vaults, and timestamps
	$(FREEHOLD) model pull
	$(BENCH)

.PHONY: bench-timestamps
bench-timestamps: bench-build ## measure timestamps only, side by side with the Python reference
	$(BENCH) --timestamps

.PHONY: bench-selling
bench-selling: bench-build ## measure what the seller's door costs only, side by side with nginx
	$(FREEHOLD) model pull
	$(BENCH) --selling

.PHONY: bench-energy
bench-energy: setup ## replay four years of energy markets, shed 5,000 simulated miners, set both against their goals
	cargo build $(CARGO_FLAGS) --example bench_energy --example energy_fleet_speed
	$(dir $(BENCH))bench_energy
	$(dir $(BENCH))energy_fleet_speed

# The benchmark runs what the rooms measure of themselves, and the Python reference and nginx if they can be had.
.PHONY: bench-build
bench-build: build
	cargo build $(CARGO_FLAGS) --example bench --example timestamp-speed --example lightning-speed --example vault-speed \
	  --example verify-speed --example session-speed
	@scripts/compat-setup --install || true

.PHONY: build
build: setup ## build the program
	cargo build $(CARGO_FLAGS) --bin freehold --bin freehold-sandbox

.PHONY: setup
setup: ## install missing system packages (Debian and Ubuntu)
	@scripts/setup

.PHONY: fmt
fmt: ## format the code
	cargo fmt --all

.PHONY: lint
lint: setup ## check format, lints, licences and banned crates
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	scripts/deny

.PHONY: fuzz
fuzz: ## fuzz every parser of outside bytes for FUZZ_SECONDS each (nightly only)
	scripts/fuzz $(FUZZ_SECONDS)

.PHONY: clean
clean: ## remove everything that was built
	cargo clean
