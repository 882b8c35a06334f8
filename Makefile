# gamefill: `make` lists the targets.
GO ?= go
BIN := bin
# Packages whose concurrency is worth the race detector's time on every check.
RACED := ./internal/queue/... ./internal/ledger/... ./internal/warehouse/... ./internal/sqlitefile/... ./internal/worker/... ./internal/publisher/...

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build both binaries into bin/, static
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/ ./cmd/publisher ./cmd/worker

.PHONY: demo
demo: build ## Run the whole job on an invented league season, in bin/demo.db
	$(BIN)/publisher demo --fresh --file $(BIN)/demo.db

.PHONY: test
test: ## Run every test
	$(GO) test -shuffle=on ./...
	$(GO) test -tags crashtest ./internal/faultinject

.PHONY: race
race: ## Run the tests of engine, queue, ledger and warehouse under the race detector
	$(GO) test -race -short $(RACED)

.PHONY: lint
lint: ## Check format, vet, staticcheck, and that go.mod is tidy
	@unformatted=$$(gofmt -l cmd internal test examples); test -z "$$unformatted" || { echo "gofmt would change: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags crashtest ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff

.PHONY: generated
generated: ## Check that generated files are what their generators make
	$(GO) run examples/first-games/generate.go -check
	$(GO) run deploy/schema/generate.go -check

.PHONY: check
check: lint generated test race ## Everything that CI runs

.PHONY: bench
bench: ## Time the engine against a plain loop over the real range, and its peak memory
	GAMEFILL_BENCH=1 $(GO) test -count=1 -timeout 30m -v ./test/bench

# A number of executions: a duration ends now and then in a deadline of its own on a busy machine.
FUZZTIME ?= 500000x
.PHONY: fuzz
fuzz: ## Fuzz every parser for FUZZTIME each
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; done; done

.PHONY: ci-extra
ci-extra: ## What is too heavy for every check: race everywhere, repeated tests, many kills, fuzzing
	$(GO) test -race -timeout 60m ./...
	$(GO) test -count=10 -shuffle=on $(RACED)
	GAMEFILL_CRASH_ROUNDS=20 $(GO) test -count=1 -timeout 60m ./test/crash
	$(MAKE) fuzz FUZZTIME=100000x
